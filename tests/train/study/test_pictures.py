"""Which pictures a study takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from clr_search.errors import UsageError
from clr_search.train.study.pictures import Pictures, find_pictures


def test_pictures_are_balanced_and_kept_apart(pictures: Path, found: Pictures) -> None:
    assert found.train.classes == found.test.classes == ("blue", "green", "red")
    assert torch.bincount(found.train.labels).tolist() == [10, 10, 10]
    assert torch.bincount(found.test.labels).tolist() == [2, 2, 2]  # a fifth of 12
    few = find_pictures([pictures], [], limit=6, side=16)
    assert torch.bincount(few.train.labels).tolist() == [2, 2, 2]
    again = find_pictures([pictures], [], limit=30, side=16)
    assert again.sha256 == found.sha256 != few.sha256
    own = find_pictures([pictures], [pictures], limit=30, side=16)
    assert torch.bincount(own.test.labels).tolist() == [12, 12, 12]


def test_what_cannot_be_studied_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folders that are classes, at least two"):
        find_pictures([pictures / "red"], [], limit=9, side=16)
    with pytest.raises(UsageError, match="the same ones"):
        find_pictures([pictures], [pictures / "red"], limit=9, side=16)
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.new("RGB", (9, 9)).save(tmp_path / label / f"{number}.png")
    with pytest.raises(UsageError, match="at least 5 pictures a class"):
        find_pictures([tmp_path], [], limit=9, side=16)
