"""What `import clr_search` offers, and what it costs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import clr_search
from clr_search.errors import MissingExtraError
from tests.forked import Forked

HOUSE = Path(__file__).parents[1]


def run(code: str) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOUSE
    )
    return done.stdout


def test_every_public_name_is_what_its_home_has() -> None:
    for name in clr_search.__all__:
        assert getattr(clr_search, name) is not None, name
    assert dir(clr_search) == sorted(clr_search.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(clr_search.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(clr_search.__all__) - {"__version__"}


def test_importing_the_package_imports_no_other_package() -> None:
    loaded = run("import sys; old = set(sys.modules); import clr_search; print(*set(sys.modules))")
    foreign = {
        "numpy",
        "PIL",
        "onnx",
        "onnxruntime",
        "faiss",
        "torch",
        "sklearn",
        "gradio",
        "click",
    }
    assert foreign & set(loaded.split()) == set()
    ours = {name for name in loaded.split() if name.startswith("clr_search.")}
    assert ours == {"clr_search.version"}


@pytest.mark.parametrize(
    "names",
    [
        "Embeddings, Filter, Index, Item, Match, Matches, Query",
        "ClrSearchError, ImageError, UsageError",
        "find_duplicates",
        "TrainConfig",
    ],
)
def test_only_what_trains_needs_torch(names: str) -> None:
    loaded = run(f"from clr_search import {names}\nimport sys\nprint(*sys.modules)").split()
    assert {"torch", "gradio", "fastapi"} & set(loaded) == set()


FIRST = """
import os
import sys

assert "torch" in sys.modules  # as it takes most of the time
assert not any(name.startswith("clr_search.") for name in sys.modules)
for first in ("train_encoder", "export_run", "TrainConfig"):
    child = os.fork()
    if not child:
        exec(f"from clr_search import {first}, train, export, train_encoder, export_run")
        print(first, *(type(one).__name__ for one in (train, export, train_encoder, export_run)))
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_train_and_export_are_packages_whatever_is_imported_first(tmp_path: Path) -> None:
    process = Forked(FIRST, output=tmp_path / "told")
    assert process.wait() == 0, process.errors()
    told = [line.split() for line in process.output.read_text().splitlines()]
    assert [first for first, *_ in told] == ["train_encoder", "export_run", "TrainConfig"]
    for _, *kinds in told:
        assert kinds == ["module", "module", "function", "function"]


@pytest.mark.parametrize("name", ["train_encoder", "export_run"])
def test_without_torch_they_say_which_extra_brings_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"clr-search\[train\]"):
        getattr(clr_search, name)


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Serach'"):
        _ = clr_search.Serach  # type: ignore[attr-defined]
