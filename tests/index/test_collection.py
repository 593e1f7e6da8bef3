"""`Index`: what it promises beside making, updating and searching."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError
from clr_search.index import Index
from clr_search.index import __all__ as public


def test_it_needs_nothing_but_itself(made: Path, tmp_path: Path, pictures: Path) -> None:
    moved = tmp_path / "elsewhere" / "moved.clr"
    moved.parent.mkdir()
    shutil.move(made, moved)
    with Index.open(moved) as index:
        assert len(index) == 36
        assert len(index.search(pictures / "red" / "red00.jpg", 5)) == 5
        assert index.encoder.path == moved / "encoder.onnx"
    assert {path.name for path in moved.iterdir()} >= {"catalog.sqlite", "encoder.onnx", "lock"}


def test_a_closed_one_says_so(made: Path) -> None:
    index = Index.open(made, writable=True)
    index.close()
    with pytest.raises(ClrSearchError, match="has been closed"):
        len(index)
    Index.open(made, writable=True).close()  # the lock is free


def test_membership(made: Path, pictures: Path) -> None:
    with Index.open(made) as index:
        assert pictures / "red" / "red00.jpg" in index
        assert str(pictures / "red" / "red00.jpg") in index
        assert pictures / "red" not in index
        assert pictures / "red" / "none.jpg" not in index
        assert 3 in index
        assert 37 not in index
        assert True not in index
        assert 3.0 not in index


def test_the_public_names() -> None:
    import clr_search.index as package

    assert set(dir(package)) == set(public)
    for name in public:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Indices'"):
        package.__getattr__("Indices")


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import clr_search.index", {"faiss", "onnxruntime", "onnx", "torch", "PIL", "sqlite3"}),
        (
            "index = clr_search.index.Index.open(sys.argv[1]); index.search(sys.argv[2]); "
            "index.info()",
            {"faiss", "onnxruntime", "onnx", "torch", "sklearn"},
        ),
        (
            "from PIL import Image; index = clr_search.index.Index.open(sys.argv[1]); "
            "index.search(Image.new('RGB', (9, 9), 'red'))",
            {"faiss", "torch", "sklearn"},
        ),
    ],
)
def test_only_what_is_needed_is_imported(
    made: Path, pictures: Path, code: str, unwanted: set[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, clr_search.index\n{code}\nprint(*sys.modules)", made,
         pictures / "red" / "red00.jpg"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert unwanted & {name.split(".")[0] for name in done.stdout.split()} == set()


def test_its_repr_says_what_is_in_it_or_why_not(made: Path) -> None:
    with Index.open(made) as index:
        assert repr(index) == (
            f"<Index {made}: 36 pictures, embeddings of length 16 by tiny, search: exact>"
        )
    assert repr(index) == f"<Index {made}: {made} has been closed.>"
