"""The picture of a search in the README: queries drawn by chance, and what is nearest to each.

    python -m bench.picture clothing.clr --out docs/clothing.jpg

Five of the collection's folders are drawn by a seed, and of each of them one picture, which is
searched for among all others. Nothing is chosen by its results. Pictures are shown as the encoder
sees them: their central square.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from clr_search.index import Index, Match
from clr_search.pictures.sheet import SheetRow, Tile, contact_sheet

QUALITY = 80  # of the JPEG: 250 kB at most for five rows of nine pictures


def drawn(labels: list[str | None], ids: list[int], rows: int, seed: int) -> list[int]:
    """Ids of the queries: `rows` labels drawn without repetition, and one picture of each."""
    generator = np.random.default_rng(seed)
    names = sorted({label for label in labels if label is not None})
    chosen = generator.choice(names, min(rows, len(names)), replace=False)
    return [
        int(generator.choice([i for i, own in zip(ids, labels, strict=True) if own == name]))
        for name in chosen
    ]


def central_square(path: Path, side: int) -> Image.Image:
    """The central square of a picture, at most `side` pixels wide."""
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    return ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)


def tile_of(match: Match, own: str | None, side: int) -> Tile:
    """A result, with a tick where it lies in the folder of the query."""
    picture = central_square(match.path, side)
    same = match.label == own
    return Tile(picture, label=match.label or "", score=match.score, same=same)


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collection", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("-k", type=int, default=8)
    parser.add_argument("--tile", type=int, default=132)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows = []
    with Index.open(arguments.collection) as index, index.snapshot():
        for number in drawn(index.labels(), index.ids(), arguments.rows, arguments.seed):
            item = index.item(number)
            query = Tile(central_square(item.path, arguments.tile), label=item.label or "")
            found = index.search(number, arguments.k)
            tiles = [tile_of(match, item.label, arguments.tile) for match in found]
            rows.append(SheetRow(query, tiles))
    sheet = contact_sheet(rows, tile=arguments.tile, columns=arguments.k)
    sheet.save(arguments.out, quality=QUALITY, optimize=True)
    size = arguments.out.stat().st_size / 1e3
    print(f"{arguments.out}: {sheet.width} × {sheet.height} pixels, {size:.0f} kB")


if __name__ == "__main__":
    main()
