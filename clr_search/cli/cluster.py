"""``cluster``: what is in a collection, in groups."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import options, output

if TYPE_CHECKING:
    from clr_search.index import Item

_REPRESENTATIVES = 8


@dataclass(frozen=True, slots=True)
class Group:
    """A cluster, or the outliers: their pictures, with cosines to the centre."""

    items: list[Item]
    scores: list[float]

    @property
    def folders(self) -> list[tuple[str, int]]:
        """Labels with their numbers, the most frequent first."""
        counted = Counter(item.label for item in self.items if item.label is not None)
        return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))


@options.command("cluster")
@options.collection_argument()
@click.option(
    "--clusters",
    "count",
    type=options.COUNT,
    help="How many.  [default: by the number of pictures, at most 40]",
)
@click.option(
    "--outliers",
    "outlying",
    type=options.COUNT,
    default=8,
    show_default=True,
    help="Least typical pictures to show.",
)
@click.option("--under", metavar="FOLDER", help="Only pictures below this folder.")
@click.option("--seed", type=options.SEED, default=0, show_default=True, help="Of the k-means.")
@options.json_option()
@click.option("--html", metavar="PAGE", type=options.PATH, help="Write a page with thumbnails.")
@options.force_option("the page")
def cluster(
    collection: Path,
    count: int | None,
    outlying: int,
    under: str | None,
    seed: int,
    as_json: bool,
    html: Path | None,
    force: bool,
) -> None:
    """Show what is in a collection: groups of like pictures.

    Pictures are parted by k-means on their vectors. Of each cluster the most typical pictures are
    shown, and of all those that are least like their cluster: outliers, worth a look. With --json,
    all members are listed.

    \b
    Example:
      clr-search cluster photos.clr --html overview.html
      clr-search cluster photos.clr --clusters 12 --under 2024
      clr-search cluster photos.clr --json | jq '.clusters[].size'
    """
    from clr_search.files import refuse_existing, write_atomically
    from clr_search.index import Index
    from clr_search.index.clusters import find_clusters, outliers
    from clr_search.progress import Lines

    if html is not None:
        refuse_existing(html, force=force)
    with Index.open(collection, reporter=Lines()) as index, index.snapshot():
        found = find_clusters(index, count, under=under, seed=seed)
        groups = [Group(index.items(one.ids.tolist()), one.scores.tolist()) for one in found]
        ids, scores = outliers(found, outlying)
        odd = Group(index.items(ids.tolist()), scores.tolist())
    if html is not None:
        write_atomically(html, _page(collection, groups, odd))
        click.echo(f"Page: {output.shown(html)}", err=True)
    if as_json:
        output.echo_json(
            {
                "collection": collection,
                "clusters": [
                    {"size": len(group.items), "folders": dict(group.folders)} | _members(group)
                    for group in groups
                ],
                "outliers": _members(odd)["pictures"],
            }
        )
    else:
        _print(collection, groups, odd)


def _members(group: Group) -> dict[str, Any]:
    return {
        "pictures": [
            {"id": item.id, "path": item.path, "score": round(score, 6)}
            for item, score in zip(group.items, group.scores, strict=True)
        ]
    }


def _print(collection: Path, groups: list[Group], odd: Group) -> None:
    total = sum(len(group.items) for group in groups)
    output.echo_heading(
        f"{output.shown(collection)}: {output.count(total, 'picture')} in "
        f"{output.count(len(groups), 'cluster')}"
    )
    columns = [
        output.Column(right=True, style="dim"),
        output.Column(right=True, style="cyan", heading="pictures"),
        output.Column(style="green", heading="folders"),
        output.Column(heading="most typical"),
    ]
    rows = [
        [str(number), f"{len(group.items):,}", _folders(group), output.shown(group.items[0].path)]
        for number, group in enumerate(groups, start=1)
    ]
    output.echo_table(columns, rows, indent=2)
    click.echo("\nLeast typical:")
    columns = [output.Column(right=True, style="cyan"), output.Column()]
    lines = zip(odd.items, odd.scores, strict=True)
    output.echo_table(
        columns, [[f"{score:.4f}", output.shown(item.path)] for item, score in lines], indent=2
    )


def _folders(group: Group) -> str:
    """The most frequent folders: ``rose 61 %, tulip 30 %``."""
    return ", ".join(
        f"{name} {100 * number / len(group.items):.0f} %" for name, number in group.folders[:2]
    )


def _page(collection: Path, groups: list[Group], odd: Group) -> str:
    from clr_search.pictures.gallery import Section, gallery

    total = sum(len(group.items) for group in groups)
    sections = [
        Section(
            f"{number}", f"{len(group.items):,} · {_folders(group)}".rstrip(" ·"), _shown(group)
        )
        for number, group in enumerate(groups, start=1)
    ]
    sections.append(Section("Least typical", "", _shown(odd)))
    lead = (
        f"{output.count(total, 'picture')} in {output.count(len(groups), 'cluster')}; of each, the "
        "most typical first, with their cosine to its centre."
    )
    return gallery(f"What is in {collection.name}", lead, sections)


def _shown(group: Group) -> list[Any]:
    from clr_search.pictures.gallery import Shown

    pairs = zip(group.items[:_REPRESENTATIVES], group.scores, strict=False)
    return [Shown(item.path, item.relative, f"{score:.4f}") for item, score in pairs]
