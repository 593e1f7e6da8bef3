"""``cluster``: what is in a collection, in groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import options, output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clr_search.analysis.clusters import Cluster
    from clr_search.index import Index, Item

_REPRESENTATIVES = 8


@dataclass(frozen=True, slots=True)
class Group:
    """A cluster, or the outliers.

    Attributes
    ----------
    size : int
        Pictures in it.
    folders : list of (str, int)
        Labels with their numbers, the most frequent first.
    items, scores : list
        The pictures that are shown, with their cosines to the centre.
    """

    size: int
    folders: list[tuple[str, int]]
    items: list[Item]
    scores: list[float]


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
    from clr_search.analysis.clusters import find_clusters, outliers
    from clr_search.files.write import refuse_existing, write_atomically
    from clr_search.index import Index
    from clr_search.progress import Lines

    if html is not None:
        refuse_existing(html, force=force)
    with Index.open(collection, reporter=Lines()) as index, index.snapshot():
        found = find_clusters(index, count, under=under, seed=seed)
        groups = _groups(index, found)
        odd = _shown_of(index, *outliers(found, outlying))
        members = [_members(index, one) for one in found] if as_json else []
    if html is not None:
        write_atomically(html, _page(collection, groups, odd))
        click.echo(f"Page: {output.shown(html)}", err=True)
    if as_json:
        output.echo_json(
            {
                "collection": collection,
                "clusters": [
                    {"size": group.size, "folders": dict(group.folders), "pictures": pictures}
                    for group, pictures in zip(groups, members, strict=True)
                ],
                "outliers": _listed(odd.items, odd.scores),
            }
        )
    else:
        _print(collection, groups, odd)


def _groups(index: Index, clusters: list[Cluster]) -> list[Group]:
    """Clusters, with the items of those pictures only that are shown."""
    groups = []
    for cluster in clusters:
        counted = Counter(label for label in cluster.labels if label is not None)
        folders = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
        shown = cluster.ids[:_REPRESENTATIVES], cluster.scores[:_REPRESENTATIVES]
        groups.append(_shown_of(index, *shown, size=len(cluster), folders=folders))
    return groups


def _shown_of(
    index: Index,
    ids: NDArray[np.int64],
    scores: NDArray[np.float32],
    *,
    size: int = 0,
    folders: Sequence[tuple[str, int]] = (),
) -> Group:
    return Group(size or len(ids), list(folders), index.items(ids.tolist()), scores.tolist())


def _members(index: Index, cluster: Cluster) -> list[dict[str, Any]]:
    return _listed(index.items(cluster.ids.tolist()), cluster.scores.tolist())


def _listed(items: list[Item], scores: list[float]) -> list[dict[str, Any]]:
    return [
        {"id": item.id, "path": item.path, "score": round(score, 6)}
        for item, score in zip(items, scores, strict=True)
    ]


def _print(collection: Path, groups: list[Group], odd: Group) -> None:
    total = sum(group.size for group in groups)
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
        [str(number), f"{group.size:,}", _folders(group), output.shown(group.items[0].path)]
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
        f"{name} {100 * number / group.size:.0f} %" for name, number in group.folders[:2]
    )


def _page(collection: Path, groups: list[Group], odd: Group) -> str:
    from clr_search.pictures.gallery import Section, gallery

    total = sum(group.size for group in groups)
    sections = [
        Section(f"{number}", f"{group.size:,} · {_folders(group)}".rstrip(" ·"), _shown(group))
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

    pairs = list(zip(group.items, group.scores, strict=True))[:_REPRESENTATIVES]
    return [Shown(item.path, item.relative, f"{score:.4f}") for item, score in pairs]
