"""``cluster``: an overview of a collection in groups of similar pictures."""

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

_REPRESENTATIVES = 8  # Pictures that are shown of a cluster; they fit into one row of the page.


@dataclass(frozen=True, slots=True)
class Group:
    """A cluster, or the outliers.

    Attributes
    ----------
    size : int
        Number of pictures in it.
    folders : list of (str, int)
        Labels with the numbers of their pictures, the most frequent first.
    items, scores : list
        The pictures to show, and their cosine similarities to the centre of their cluster.
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
@click.option(
    "--seed", type=options.DRAWN_SEED, default=0, show_default=True, help="Seed of the k-means."
)
@options.json_option()
@click.option("--html", metavar="PAGE", type=options.PATH, help="Write a page with thumbnails.")
@options.force_option("the page")
@options.pixels_option()
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
    """Show what is in a collection: groups of similar pictures.

    The pictures are clustered by k-means on their vectors. The most typical pictures of each
    cluster are shown, and the outliers: the pictures that are least similar to their clusters. With
    --json, all members of the clusters are listed.

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
        clusters = find_clusters(index, count, under=under, seed=seed)
        groups = _groups(index, clusters)
        odd = _shown_of(index, *outliers(clusters, outlying))
        members = [_members(index, one) for one in clusters] if as_json else []
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
    """Return the clusters with their most typical items, which are the only ones to be loaded."""
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
    """Return a group that shows the items with these ids and scores."""
    return Group(size or len(ids), list(folders), index.items(ids.tolist()), scores.tolist())


def _members(index: Index, cluster: Cluster) -> list[dict[str, Any]]:
    """Return all members of a cluster for JSON."""
    return _listed(index.items(cluster.ids.tolist()), cluster.scores.tolist())


def _listed(items: list[Item], scores: list[float]) -> list[dict[str, Any]]:
    """Return items with their scores for JSON."""
    return [
        {
            "id": item.id,
            "path": item.path,
            "score": round(score, 6),
            "missing": item.is_missing(),
        }
        for item, score in zip(items, scores, strict=True)
    ]


def _print(collection: Path, groups: list[Group], odd: Group) -> None:
    """Print a table of the clusters, and one of the outliers."""
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
        [str(number), f"{group.size:,}", _folders(group), _named(group.items[0])]
        for number, group in enumerate(groups, start=1)
    ]
    output.echo_table(columns, rows, indent=2)
    click.echo("\nLeast typical:")
    columns = [output.Column(right=True, style="cyan"), output.Column()]
    lines = zip(odd.items, odd.scores, strict=True)
    output.echo_table(columns, [[f"{score:.4f}", _named(item)] for item, score in lines], indent=2)


def _named(item: Item) -> str:
    """Return the path of an item for people, marked where its file is not there."""
    return output.marked(item.path, missing=item.is_missing())


def _folders(group: Group) -> str:
    """Return the two most frequent labels with their shares: ``rose 61 %, tulip 30 %``."""
    return ", ".join(
        f"{name} {100 * number / group.size:.0f} %" for name, number in group.folders[:2]
    )


def _page(collection: Path, groups: list[Group], odd: Group) -> str:
    """Return the HTML page with the pictures of all groups."""
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
    """Return the pictures of a group for the page."""
    from clr_search.pictures.gallery import Shown

    pairs = list(zip(group.items, group.scores, strict=True))[:_REPRESENTATIVES]
    return [Shown(item.path, item.relative, f"{score:.4f}") for item, score in pairs]
