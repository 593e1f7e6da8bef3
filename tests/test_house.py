"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
MODULES = sorted((HOUSE / "clr_search").rglob("*.py"))


def test_every_public_thing_has_a_docstring() -> None:
    bare = []
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        where = path.relative_to(HOUSE)
        if tree.body and not ast.get_docstring(tree):
            bare.append(f"{where}: the module")
        bare += [f"{where}:{node.lineno} {node.name}" for node in undocumented(tree)]
    assert bare == []


def undocumented(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes without a docstring."""
    return [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py", "core.py"}
    assert [path for path in MODULES if path.name in drawers] == []


def test_files_stay_readable() -> None:
    long = {
        str(path.relative_to(HOUSE)): lines
        for path in MODULES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_no_folder_holds_more_than_twelve_files() -> None:
    """A folder that is seen at a glance; beyond that, rooms."""
    files = Counter(str(path.parent.relative_to(HOUSE)) for path in MODULES)
    assert {folder: count for folder, count in files.items() if count > 12} == {}
    index = [path for path in (HOUSE / "clr_search/index").iterdir() if path.name != "__pycache__"]
    assert len(index) <= 12


SQL_IS_SPOKEN = ("index/catalog/", "web/tile_store.py")
"""The catalogue, and a cache of thumbnails, which is none of a collection's."""


@pytest.mark.parametrize(
    ("module", "doors"),
    [
        # Behind ann/ lies how vectors are found; k-means for groups; and `doctor`.
        ("faiss", ("index/ann/", "analysis/clusters.py", "cli/examine.py")),
        ("onnxruntime", ("contract/runtime.py",)),
        ("grpc", ("index/catalog/milvus/connection.py",)),
        ("sqlite3", (*SQL_IS_SPOKEN,)),
    ],
)
def test_an_engine_is_imported_behind_its_doors_only(module: str, doors: tuple[str, ...]) -> None:
    found = {
        str(path.relative_to(HOUSE / "clr_search"))
        for path in MODULES
        if module in imported(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert {where for where in found if not where.startswith(doors)} == set()
    assert [door for door in doors if not any(where.startswith(door) for where in found)] == []


def test_sql_is_spoken_in_the_catalog_only() -> None:
    spoken = re.compile(
        r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET"
        r"|(CREATE|DROP|ALTER)\s+(TABLE|INDEX)|PRAGMA\s+\w+)\b",
        re.DOTALL,
    )
    found = {
        str(path.relative_to(HOUSE / "clr_search"))
        for path in MODULES
        if any(map(spoken.search, texts(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert {where for where in found if not where.startswith(SQL_IS_SPOKEN)} == set()
    assert found, "the pattern knows SQL"


def texts(tree: ast.Module) -> list[str]:
    """All string constants of a module, docstrings apart."""
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, described) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


def imported(tree: ast.Module) -> set[str]:
    """Names of the packages that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module.partition(".")[0])
    return found


def test_nothing_is_pickled() -> None:
    unsafe = re.compile(
        r"\bimport pickle\b|\btorch\.load\((?!.*weights_only=True)|allow_pickle\s*=\s*True"
        r"|\bjoblib\b"
    )
    found = [path.name for path in MODULES if unsafe.search(path.read_text(encoding="utf-8"))]
    assert found == []


CATALOGUE = HOUSE / "clr_search" / "index" / "catalog"
SQL = re.compile(
    r"\bimport sqlite3\b|\bdatabase\.(rows|many|scalar|integer)\b|\bSELECT\b.*\bFROM\b"
    r"|\b(INSERT (OR \w+ )?INTO|DELETE FROM|UPDATE \w+ SET|CREATE (TABLE|INDEX)|PRAGMA)\b"
)


def test_the_catalogue_has_a_fence() -> None:
    """All SQL of a collection stands in one folder, and nothing outside it talks to SQLite."""
    found = [
        f"{path.relative_to(HOUSE)}: {match[0]}"
        for path in MODULES
        if not str(path.relative_to(HOUSE / "clr_search")).startswith(SQL_IS_SPOKEN)
        and (match := SQL.search(path.read_text(encoding="utf-8")))
    ]
    assert found == []
    assert SQL.search((CATALOGUE / "staging.py").read_text(encoding="utf-8"))


def test_no_folder_holds_more_than_twelve_modules() -> None:
    folders = {path.parent for path in MODULES if path.is_relative_to(CATALOGUE.parent)}
    full = {str(f.relative_to(HOUSE)): n for f in folders if (n := len(list(f.glob("*.py")))) > 12}
    assert full == {}


def test_benches_take_nothing_from_the_tests() -> None:
    """They run from a clone by themselves; the tests check them too, and may take from them."""
    taken = re.compile(r"^\s*(from|import) tests\b", re.MULTILINE)
    benches = sorted((HOUSE / "bench").rglob("*.py"))
    assert [path.name for path in benches if taken.search(path.read_text(encoding="utf-8"))] == []


def test_every_bar_is_closed() -> None:
    """By `Reporter.task`, whatever happens meanwhile."""
    opened = [
        str(path.relative_to(HOUSE))
        for path in MODULES
        if re.search(r"reporter\.(begin|end)\(", path.read_text(encoding="utf-8"))
    ]
    assert opened == []


def test_every_dependency_states_its_reason() -> None:
    text = (HOUSE / "pyproject.toml").read_text(encoding="utf-8")
    lines = text.splitlines()
    project = tomllib.loads(text)["project"]
    for requirement in project["dependencies"]:
        line = next(line for line in lines if f'"{requirement}"' in line)
        assert "#" in line, f"{requirement} needs a reason beside it"


def test_documents_link_to_files_that_exist() -> None:
    places = ("*.md", "docs/**/*.md", "bench/**/*.md", "examples/*/README.md")
    documents = [document for place in places for document in HOUSE.glob(place)]
    broken = [
        f"{document.relative_to(HOUSE)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import clr_search", {"numpy", "torch", "onnxruntime", "faiss", "PIL"}),
        ("from clr_search import Index", {"torch", "onnxruntime", "faiss", "gradio"}),
        ("from clr_search import Encoder, Probe", {"torch", "faiss", "gradio", "sklearn"}),
        ("import clr_search.app.main", {"torch", "gradio", "faiss"}),
    ],
)
def test_imports_are_lazy(statement: str, unwanted: set[str]) -> None:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOUSE
    )
    assert unwanted & {name.split(".")[0] for name in done.stdout.split()} == set()


def test_tests_mirror_the_index() -> None:
    """Every module of the index has a file of tests of its name."""
    index = HOUSE / "clr_search" / "index"
    bare = [
        str(path.relative_to(index))
        for path in sorted(index.rglob("*.py"))
        if path.name != "__init__.py"
        and not (
            HOUSE / "tests" / "index" / path.relative_to(index).with_name(f"test_{path.name}")
        ).exists()
    ]
    assert bare == []
