"""What is told to collections in all places, and what can be seen of them afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clr_search.index import Index
from clr_search.index.search.matches import Matches
from tests.tiny import write_pictures


def add_odd_ones(folder: Path) -> Path:
    """Twelve pictures, two of them twice, names that are no ASCII or no text, and a broken file."""
    write_pictures(folder, each=4)
    shutil.copy(folder / "red/red00.jpg", folder / "blue/copy [1].jpg")
    shutil.copy(folder / "green/green01.png", folder / "rosé.png")
    shutil.copy(folder / "green/green02.jpg", os.fsencode(folder) + b"/blue/\xff\xfe.jpg")
    (folder / "red/broken.png").write_bytes(b"\x89PNG no more")
    for number, path in enumerate(sorted(folder.rglob("*.[jp][pn]g"))):
        os.utime(path, ns=(0, 1_700_000_000_000_000_000 + number * 86_400 * 10**9))
    return folder


def tell(index: Index, pictures: Path) -> None:
    """What makes the collection that is searched: files, a label, columns, a dismissal."""
    index.update([pictures])
    index.relabel({index.id_at(pictures / "red/red01.png"): "a \"quoted' label\\"})
    ids = sorted(index.ids(), key=lambda number: str(index.item(number).path))
    index.give_columns(
        {
            "rating": {number: place % 5 for place, number in enumerate(ids) if place % 3},
            "said": {ids[0]: 'it\'s "here"', ids[1]: "über"},
        }
    )
    index.dismiss(ids[:2])


def found(index: Index, matches: Matches) -> list[tuple[Any, ...]]:
    """What a search has found, without ids; of copies, which score the same, any may be found."""
    rows: list[tuple[Any, ...]] = []
    for match in matches:
        sha256 = index.item(match.id).sha256
        copied = len(index.ids_with_content(sha256)) > 1
        seen = (sha256, "") if copied else (str(match.path), str(match.label))
        values = () if copied else tuple(match.columns.items())
        share = None if match.percentile is None else round(match.percentile, 4)
        rows.append((round(match.score, 5), share, *seen, values))
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    return sorted(rows, key=str) + sorted(("same", str(path)) for path in matches.same)


def state(index: Index) -> dict[str, Any]:
    """Everything that a collection keeps, by paths instead of ids."""
    embeddings = index.embeddings() if len(index) else None
    ids = [] if embeddings is None else embeddings.ids.tolist()
    items = dict(zip(ids, index.items(ids), strict=True))
    columns = {name: index.values(ids, name) for name in index.kinds(own=True)}
    return {
        "items": {
            str(item.path): (
                item.label,
                item.width,
                item.height,
                item.size,
                item.mtime_ns,
                item.sha256,
                str(item.root),
                {name: values.get(number) for name, values in columns.items()},
                index.vectors_of([number]).astype(np.float64).tobytes(),
            )
            for number, item in items.items()
        },
        "skipped": index.skipped(),
        "noted": index.noted(),
        "dismissed": index.dismissed(),
        "given": index.labels_are_given(),
        "kinds": index.kinds(),
        "sources": sorted(map(str, index.sources())),
    }


def paths_of(index: Index, ids: Sequence[int]) -> list[str]:
    """The paths of items, sorted."""
    return sorted(str(item.path) for item in index.items(ids))
