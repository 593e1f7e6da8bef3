from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clr_search.index import Index, maintenance
from clr_search.index.ann import structures
from clr_search.index.search import snapshot
from tests.index.made import Vectors, clustered, write_vectors


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits at which a few thousand vectors are a large collection."""
    monkeypatch.setattr(structures, "EXACT_ITEMS", 500)
    monkeypatch.setattr(snapshot, "EXACT_FILTERED", 60)
    monkeypatch.setattr(snapshot, "_FEW", 20)
    monkeypatch.setattr(maintenance, "MOST_BESIDE", 100)


@pytest.fixture(scope="session")
def rows() -> Vectors:
    """3,000 unit vectors of length 24 in clusters."""
    return clustered(3400, 24, seed=3)[:3000]


@pytest.fixture(scope="session")
def fresh() -> Vectors:
    """400 more in the same clusters."""
    return clustered(3400, 24, seed=3)[3000:]


@pytest.fixture(scope="session")
def pristine(rows: Vectors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection of which each test gets a copy."""
    return write_vectors(tmp_path_factory.mktemp("many") / "c.clr", rows, paths_of(len(rows)))


@pytest.fixture
def many(pristine: Path, tmp_path: Path) -> Path:
    """A collection of `rows`, under ids that are their positions + 1, in thirty folders."""
    return Path(shutil.copytree(pristine, tmp_path / "many.clr"))


def paths_of(count: int, first: int = 0) -> list[str]:
    """Names in thirty folders, a third of them below ``odd``."""
    return [
        f"{'odd' if n % 3 else 'even'}/{n % 30:02d}/{n:06d}.png"
        for n in range(first, first + count)
    ]


@pytest.fixture
def made(tmp_path: Path, tiny_encoder: Path, pictures: Path) -> Path:
    path = tmp_path / "colours.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([pictures])
    return path
