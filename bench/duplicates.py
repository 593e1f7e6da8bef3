"""Finding copies: ours beside imagededup, on a folder with copies whose originals are known.

    python -m bench.duplicates flowers5 --encoder default [--originals 300] [--seed 0]
    python -m bench.duplicates --vectors 100000

Some pictures are copied in five ways: re-encoded, resized, cropped by 10 %, rotated by 2°, with a
watermark. They are not the copies that the threshold is calibrated on: other qualities, sides,
corners and texts. Recall is the share of copies found together with their original; precision that
of pairs found that are of one original, where pictures whose files were the same from the start
were left out, and other copies that the folder had from the start count as wrong. imagededup is
taken at its default threshold of each method, and at that of the best F1 here, which nobody could
know. The weights of its CNN, trained with labels on ImageNet, come from the internet and could not
be had here. So its CNN method is given our encoder, which it provides for: what is compared then is
not the networks, but one threshold of the cosine for all with what `clr-search duplicates` does.
With `--vectors`, time and memory of the search for pairs among so many random vectors.
"""

from __future__ import annotations

import argparse
import importlib
import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageDraw

from bench.machine import machine
from clr_search import images
from clr_search.analysis.duplicates import find_duplicates
from clr_search.analysis.grouping import near_pairs
from clr_search.contract.shipped import encoder_named
from clr_search.files.find import find_images
from clr_search.files.write import sha256_bytes
from clr_search.index import Index
from clr_search.serve import Encoder

Pairs = set[tuple[str, str]]
Threshold = TypeVar("Threshold", int, float)


def re_encode(picture: Image.Image, path: Path) -> None:
    """JPEG at quality 45."""
    picture.save(path, quality=45)


def resize(picture: Image.Image, path: Path) -> None:
    """To 70 % of its sides."""
    size = (round(0.7 * picture.width), round(0.7 * picture.height))
    picture.resize(size, Image.Resampling.LANCZOS).save(path, quality=90)


def crop(picture: Image.Image, path: Path) -> None:
    """Left and upper tenth cut off."""
    width, height = picture.size
    picture.crop((round(0.1 * width), round(0.1 * height), width, height)).save(path, quality=90)


def rotate(picture: Image.Image, path: Path) -> None:
    """By 2° clockwise, the corners black."""
    picture.rotate(-2, Image.Resampling.BILINEAR).save(path, quality=90)


def watermark(picture: Image.Image, path: Path) -> None:
    """White text near the lower edge."""
    marked = picture.copy()
    width, height = marked.size
    ImageDraw.Draw(marked).text(
        (width / 2, 0.85 * height),
        "example.org",
        fill="white",
        anchor="mm",
        font_size=max(8, height // 9),
    )
    marked.save(path, quality=90)


COPIES: dict[str, Callable[[Image.Image, Path], None]] = {
    "re-encoded": re_encode,
    "resized": resize,
    "cropped": crop,
    "rotated": rotate,
    "watermark": watermark,
}


def write(source: Path, folder: Path, originals: int, seed: int) -> dict[str, str]:
    """Write pictures and copies as ``<number>-<kind>``; gives the original's name by the copy's."""
    seen: set[str] = set()
    files = []
    for file in find_images([source]):
        digest = sha256_bytes(file.path.read_bytes())
        if digest not in seen:
            seen.add(digest)
            files.append(file.path)
    chosen = set(random.Random(seed).sample(files, originals))
    family = {}
    for number, path in enumerate(files):
        picture = Image.fromarray(images.load(path).pixels)
        original = f"{number:06d}-original.jpg"
        picture.save(folder / original, quality=95)
        if path in chosen:
            for kind, copy in COPIES.items():
                name = f"{number:06d}-{kind}.jpg"
                copy(picture, folder / name)
                family[name] = original
    return family


def ours(folder: Path, encoder: Path, out: Path) -> tuple[Pairs, float, float]:
    """Pairs within groups, and seconds of embedding and of finding."""
    with Index.create(out / "copies.clr", encoder) as index:
        began = time.perf_counter()
        index.update([folder])
        embedded = time.perf_counter()
        found = find_duplicates(index)
        done = time.perf_counter()
    names = [[copy.item.path.name for copy in group.copies] for group in found.groups]
    return paired(names), embedded - began, done - embedded


def paired(groups: Iterable[Iterable[str]]) -> Pairs:
    """All pairs within groups."""
    return {pair for group in groups for pair in combinations(sorted(group), 2)}


def hashes(method: str, folder: Path) -> tuple[dict[int, Pairs], float]:
    """Pairs that a hash of imagededup finds, by its threshold in bits, and seconds for the default.

    Each pair comes with its distance, so that one search at the largest gives all of them.
    """
    hasher = getattr(importlib.import_module("imagededup.methods"), method)(verbose=False)
    began = time.perf_counter()
    found = hasher.find_duplicates(image_dir=str(folder), scores=True, max_distance_threshold=24)
    seconds = time.perf_counter() - began
    at: dict[int, Pairs] = {threshold: set() for threshold in range(25)}
    for name, others in found.items():
        for other, distance in others:
            for threshold in range(int(distance), 25):
                at[threshold].add((min(name, other), max(name, other)))
    return at, seconds


class Ours(torch.nn.Module):
    """Our encoder, as imagededup takes a network: squares, uint8 [N, S, S, 3] → float32 [N, D]."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.encoder = Encoder(path)

    def see(self, picture: Image.Image) -> torch.Tensor:
        """What the encoder sees of a picture, uint8 [S, S, 3]."""
        pixels = np.asarray(picture.convert("RGB"))
        return torch.from_numpy(images.square(pixels, self.encoder.image_size))

    def forward(self, squares: torch.Tensor) -> torch.Tensor:
        """Unit vectors."""
        return torch.from_numpy(self.encoder.encode_squares(squares.numpy()))


COSINES = tuple(step / 200 for step in range(120, 200))  # 0.6 to 0.995; its default is 0.9


def cnn(folder: Path, encoder: Path) -> tuple[dict[float, Pairs], float]:
    """Pairs that imagededup's CNN method finds with our encoder, by its threshold, and seconds."""
    models = importlib.import_module("imagededup.utils.models")
    network = Ours(encoder)
    method = importlib.import_module("imagededup.methods").CNN(
        verbose=False,
        model_config=models.CustomModel(name="clr-search", model=network, transform=network.see),
    )
    began = time.perf_counter()
    method.find_duplicates(image_dir=str(folder))
    seconds = time.perf_counter() - began
    names, cosines = list(method.encoding_map), np.triu(method.cosine_scores, 1)
    at = {}
    for threshold in COSINES:
        rows, columns = np.nonzero(cosines >= threshold)
        found = zip(rows.tolist(), columns.tolist(), strict=True)
        pairs = ((names[one], names[other]) for one, other in found)
        at[threshold] = {(min(pair), max(pair)) for pair in pairs}
    return at, seconds


def scores(pairs: Pairs, family: dict[str, str]) -> tuple[float, float, list[float]]:
    """Precision, recall, and recall by kind."""

    def origin(name: str) -> str:
        return name.partition("-")[0]

    right = sum(origin(one) == origin(other) for one, other in pairs)
    found = {copy for copy, o in family.items() if (min(copy, o), max(copy, o)) in pairs}
    by_kind = [
        sum(copy.endswith(f"-{kind}.jpg") for copy in found) * len(COPIES) / len(family)
        for kind in COPIES
    ]
    return right / max(1, len(pairs)), len(found) / len(family), by_kind


def row(name: str, pairs: Pairs, family: dict[str, str], seconds: str) -> str:
    """A line of the table."""
    precision, recall, by_kind = scores(pairs, family)
    cells = [f"{100 * share:.1f}" for share in (precision, recall, *by_kind)]
    return f"| {name} | {' | '.join(cells)} | {seconds} |"


def peers(folder: Path, encoder: Path, family: dict[str, str]) -> list[str]:
    """Lines of imagededup."""
    if find_spec("imagededup") is None:
        return ["| imagededup | not installed" + " |" * (3 + len(COPIES))]

    def best(at: Mapping[Threshold, Pairs]) -> Threshold:
        def f1(threshold: Threshold) -> float:
            precision, recall, _ = scores(at[threshold], family)
            return 2 * precision * recall / max(1e-9, precision + recall)

        return max(at, key=f1)

    lines = []
    for method, default in (("PHash", 10), ("DHash", 10)):
        at, seconds = hashes(method, folder)
        taken, bits = f"{seconds:.0f}", best(at)
        lines.append(row(f"imagededup {method}, {default} bits", at[default], family, taken))
        lines.append(row(f"the same, {bits} bits (best F1)", at[bits], family, taken))
    by_cosine, seconds = cnn(folder, encoder)
    taken, cosine = f"{seconds:.0f}", best(by_cosine)
    name = "imagededup CNN method, with our encoder"
    lines.append(row(f"{name}, cosine 0.9", by_cosine[0.9], family, taken))
    lines.append(row("the same, cosine 0.95", by_cosine[0.95], family, taken))
    lines.append(row(f"the same, cosine {cosine} (best F1)", by_cosine[cosine], family, taken))
    return lines


def pairs_of_vectors(count: int) -> None:
    """Print time and memory of finding the pairs among random unit vectors in clusters."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((count // 50, 512), dtype=np.float32)
    rows = centres[generator.integers(count // 50, size=count)]
    rows += 0.3 * generator.standard_normal(rows.shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    began = time.perf_counter()
    tracemalloc.start()
    pairs, _ = near_pairs(rows, 0.93)
    grown = tracemalloc.get_traced_memory()[1] / 2**20
    seconds = time.perf_counter() - began
    print(machine(), "\n")
    print(
        f"{count:,} vectors of 512 dimensions: {len(pairs):,} pairs in {seconds:.0f} s, at most "
        f"{grown:.0f} MB beside the vectors"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--encoder", type=encoder_named)
    parser.add_argument("--vectors", type=int)
    parser.add_argument("--originals", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.vectors:
        pairs_of_vectors(given.vectors)
        return
    if given.folder is None or given.encoder is None:
        parser.error("give a folder and --encoder, or --vectors")
    with tempfile.TemporaryDirectory() as temporary:
        out, folder = Path(temporary), Path(temporary) / "pictures"
        folder.mkdir()
        family = write(given.folder, folder, given.originals, given.seed)
        count = sum(1 for _ in folder.iterdir())
        pairs, embedding, finding = ours(folder, given.encoder, out)
        lines = [row("clr-search", pairs, family, f"{embedding:.0f} + {finding:.0f}")]
        lines += peers(folder, given.encoder, family)
    print(machine(), "\n")
    print(f"{given.folder.name}: {count:,} pictures, of which {len(family):,} copies\n")
    print(f"| | precision | recall | {' | '.join(COPIES)} | seconds |")
    print("|---|" + "---|" * (3 + len(COPIES)))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
