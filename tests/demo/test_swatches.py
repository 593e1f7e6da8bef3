"""The drawn collection: deterministic, varied, and colour does not give the family away."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.demo.swatches import FAMILIES, MANIFEST, draw, write_collection
from clr_search.errors import UsageError


def test_there_are_at_least_twenty_families_in_order() -> None:
    assert len(FAMILIES) >= 20
    assert list(FAMILIES) == sorted(set(FAMILIES))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_swatch_is_determined_by_its_arguments(family: str) -> None:
    first = draw(family, 3, 48, number=1)
    assert first.shape == (48, 48, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, draw(family, 3, 48, number=1))
    for other in (draw(family, 3, 48, number=2), draw(family, 4, 48, number=1)):
        assert np.abs(first.astype(int) - other).mean() > 4, "another number, another picture"
    assert first.std() > 5, "a pattern is visible"


def test_nearest_neighbours_by_mean_colour_are_at_chance() -> None:
    """Palettes are drawn independently of the family, or the demo would prove nothing."""
    each = 6
    colours, families = [], []
    for family in FAMILIES:
        for number in range(each):
            colours.append(draw(family, 0, 32, number=number).mean(axis=(0, 1)))
            families.append(family)
    points, labels = np.array(colours), np.array(families)
    distance = np.square(points[:, None] - points[None]).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    right = float((labels[distance.argmin(axis=1)] == labels).mean())
    chance = (each - 1) / (len(labels) - 1)
    spread = np.sqrt(chance * (1 - chance) / len(labels))
    assert right < chance + 5 * spread


@pytest.mark.parametrize(
    ("family", "seed", "size", "number"),
    [("plaid", 0, 96, 0), ("stripes", -1, 96, 0), ("stripes", 0, 8, 0), ("stripes", 0, 96, -1)],
)
def test_impossible_swatches_are_refused(family: str, seed: int, size: int, number: int) -> None:
    with pytest.raises(UsageError):
        draw(family, seed, size, number=number)


def test_a_collection_is_complete_kept_and_redrawn(tmp_path: Path) -> None:
    folder = write_collection(tmp_path / "swatches", each=2, size=32, seed=1)
    files = sorted(folder.glob("*/*.jpg"))
    assert len(files) == 2 * len(FAMILIES)
    assert {file.parent.name for file in files} == set(FAMILIES)
    assert Image.open(files[0]).size == (32, 32)
    assert json.loads((folder / MANIFEST).read_text())["seed"] == 1

    before = files[0].stat().st_mtime_ns
    write_collection(folder, each=2, size=32, seed=1)
    assert files[0].stat().st_mtime_ns == before, "a complete collection is kept"

    content = files[0].read_bytes()
    files[0].unlink()
    write_collection(folder, each=2, size=32, seed=1)
    assert files[0].read_bytes() == content, "what is missing is drawn again, the same"

    write_collection(folder, each=1, size=32, seed=2)
    assert len(list(folder.glob("*/*.jpg"))) == len(FAMILIES), "drawn anew"


def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "holiday.jpg"
    precious.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"holiday\.jpg"):
        write_collection(tmp_path, each=1, size=32)
    assert precious.read_bytes() == b"mine"
