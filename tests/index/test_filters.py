from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.errors import UsageError
from clr_search.index import filters
from clr_search.index.catalog import Catalog
from tests.index.made import clustered, insert, write_vectors

NAMES = ["a", "a0", "a.b", "a b", "A", "ä", "a/", "roses", "roses-old", "%", "_", "'", '"', "\n"]
NAMES += ["\udcff", "a\udcff", "\U0001f339", "\ud83c", "*", "[x]"]
NAMES = [name for name in NAMES if "/" not in name]

TREE = [
    "top.png",
    "roses/1.png",
    "roses/2.png",
    "roses/red/3.png",
    "roses-old/4.png",
    "rosesx/5.png",
    "roses.d/6.png",
    "tulips/red/7.png",
    "caf\udce9/8.png",
]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    path = write_vectors(tmp_path / "x.clr", clustered(len(TREE), 4), TREE)
    writer = Catalog(path, writable=True)
    insert(writer, clustered(2, 4), ["roses/8.png", "9.png"], "/pictures-old")
    with writer.reading():
        yield writer


def named(catalog: Catalog, ids: np.ndarray | None) -> set[str]:
    assert ids is not None
    assert ids.tolist() == sorted(set(ids.tolist()))
    return {item.path.as_posix() for item in catalog.items(ids.tolist()).values()}


@pytest.mark.parametrize(
    ("under", "expected"),
    [
        ("roses", {"/pictures/roses/1.png", "/pictures/roses/2.png", "/pictures/roses/red/3.png"}
         | {"/pictures-old/roses/8.png"}),
        ("roses/", {"/pictures/roses/1.png", "/pictures/roses/2.png", "/pictures/roses/red/3.png"}
         | {"/pictures-old/roses/8.png"}),
        ("roses/red", {"/pictures/roses/red/3.png"}),
        ("./roses/../roses/red", {"/pictures/roses/red/3.png"}),
        ("/pictures/roses/red", {"/pictures/roses/red/3.png"}),
        ("/pictures-old", {"/pictures-old/roses/8.png", "/pictures-old/9.png"}),
        ("/pictures", {f"/pictures/{path}" for path in TREE}),
        ("caf\udce9", {"/pictures/caf\udce9/8.png"}),
    ],
)  # fmt: skip
def test_under_compares_whole_names(catalog: Catalog, under: str, expected: set[str]) -> None:
    assert named(catalog, filters.allowed(catalog, under=under)) == expected


def test_under_the_root_of_all(catalog: Catalog) -> None:
    assert len(named(catalog, filters.allowed(catalog, under="/"))) == len(TREE) + 2


def test_under_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "photos"
    (root / "sea" / "deep").mkdir(parents=True)
    path = write_vectors(
        tmp_path / "x.clr", clustered(2, 4), ["sea/deep/1.png", "2.png"], root=str(root)
    )
    catalog = Catalog(path, writable=False)
    with catalog.reading():
        for here, under in [(tmp_path, "photos/sea"), (root / "sea", "deep"), (root, "sea")]:
            monkeypatch.chdir(here)
            found = filters.allowed(catalog, under=under)
            assert named(catalog, found) == {(root / "sea/deep/1.png").as_posix()}
        (tmp_path / "link").symlink_to(root)
        monkeypatch.chdir(tmp_path)
        assert len(named(catalog, filters.allowed(catalog, under="link"))) == 2
        assert len(named(catalog, filters.allowed(catalog, under=str(tmp_path / "link")))) == 2


def test_a_label_is_the_folder_a_picture_lies_in(catalog: Catalog) -> None:
    red = filters.allowed(catalog, label="red")
    assert named(catalog, red) == {"/pictures/roses/red/3.png", "/pictures/tulips/red/7.png"}
    both = filters.allowed(catalog, label="red", under="tulips")
    assert named(catalog, both) == {"/pictures/tulips/red/7.png"}
    assert filters.allowed(catalog) is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"label": "Red"}, "have the label Red. Did you mean red?"),
        ({"label": "tulip"}, "There are: caf"),
        ({"under": "rose"}, "lie under rose. Did you mean roses"),
        ({"under": "/elsewhere"}, "lie under /elsewhere"),
        ({"under": "roses-old", "label": "red"}, "under roses-old have the label red"),
        ({"label": "' OR 1 --"}, "have the label ' OR 1 --"),
    ],
)
def test_a_filter_that_leaves_nothing_says_what_there_is(
    catalog: Catalog, asked: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        filters.allowed(catalog, **asked)
    assert words in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    paths=st.lists(
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join),
        min_size=1,
        max_size=25,
        unique=True,
    ),
    way=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join),
)
def test_under_and_label_equal_the_plain_comparison(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str], way: str
) -> None:
    folder = tmp_path_factory.mktemp("f") / "x.clr"
    catalog = Catalog(write_vectors(folder, clustered(len(paths), 4), paths), writable=False)
    with catalog.reading():
        wanted = [
            number
            for number, path in enumerate(paths, start=1)
            if PurePosixPath(way) in PurePosixPath(path).parents
        ]
        assert filters.below_folder(catalog, f"/pictures/{way}").tolist() == wanted
        label = way.rpartition("/")[2]
        labelled = [n for n, p in enumerate(paths, 1) if PurePosixPath(p).parent.name == label]
        try:
            found = filters.allowed(catalog, label=label)
            assert found is not None
            assert found.tolist() == labelled
        except UsageError:
            assert labelled == []
    catalog.database.close()


def test_the_separator_is_that_of_the_system() -> None:
    assert os.sep == "/", "these tests spell paths as on POSIX"
