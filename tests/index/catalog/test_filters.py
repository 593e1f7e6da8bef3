from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.catalog import filters
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.filters import Filter
from tests.index.made import Vectors, clustered, insert, write_vectors

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
    assert named(catalog, filters.allowed(catalog, Filter(under=under))) == expected


def test_under_the_root_of_all(catalog: Catalog) -> None:
    assert len(named(catalog, filters.allowed(catalog, Filter(under="/")))) == len(TREE) + 2


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
            found = filters.allowed(catalog, Filter(under=under))
            assert named(catalog, found) == {(root / "sea/deep/1.png").as_posix()}
        (tmp_path / "link").symlink_to(root)
        monkeypatch.chdir(tmp_path)
        assert len(named(catalog, filters.allowed(catalog, Filter(under="link")))) == 2
        absolute = Filter(under=str(tmp_path / "link"))
        assert len(named(catalog, filters.allowed(catalog, absolute))) == 2


def test_a_label_is_the_folder_a_picture_lies_in(catalog: Catalog) -> None:
    red = filters.allowed(catalog, Filter(label="red"))
    assert named(catalog, red) == {"/pictures/roses/red/3.png", "/pictures/tulips/red/7.png"}
    both = filters.allowed(catalog, Filter(label="red", under="tulips"))
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
        filters.allowed(catalog, Filter(**asked))
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
            found = filters.allowed(catalog, Filter(label=label))
            assert found is not None
            assert found.tolist() == labelled
        except UsageError:
            assert labelled == []
    catalog.database.close()


def test_the_separator_is_that_of_the_system() -> None:
    assert os.sep == "/", "these tests spell paths as on POSIX"


def test_ids_may_be_an_array_or_a_list_that_changes(catalog: Catalog) -> None:
    def ids(found: np.ndarray | None) -> list[int]:
        assert found is not None
        return found.tolist()

    passing = filters.Passing()
    array = np.array([3, 1])
    for _ in range(2):  # the second time it is compared with the first
        assert ids(passing.ids(catalog, Filter(ids=array), 1)) == [1, 3]
    listed = [2]
    where = Filter(ids=listed)
    assert ids(passing.ids(catalog, where, 1)) == [2]
    listed.append(4)
    assert ids(passing.ids(catalog, where, 1)) == [2], "as it was made"
    assert ids(passing.ids(catalog, Filter(ids=listed), 1)) == [2, 4]
    assert hash(Filter(ids=array)) == hash(Filter(ids=(3, 1)))


class TestWhatIsKnownOfFiles:
    """Against what Python says of a model of the files."""

    FILES = tuple(
        (f"{folder}IMG_{number}.{suffix}", 1000 * number, number * 10**18 // 7, 100 + 50 * number)
        for number, (folder, suffix) in enumerate(
            [("", "jpg"), ("a/", "jpg"), ("a/b/", "png"), ("A/", "jpg"), ("c[1]/", "JPG")]
        )
    )

    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[Catalog]:
        names = [name for name, *_ in self.FILES]
        path = write_vectors(tmp_path / "x.clr", clustered(len(names), 4), names)
        writer = Catalog(path, writable=True)
        with writer.writing():
            for number, (_, size, mtime_ns, side) in enumerate(self.FILES, start=1):
                writer.database.rows(
                    "UPDATE items SET size = ?, mtime_ns = ?, width = ?, height = ? WHERE id = ?",
                    *(size, mtime_ns, side, 2 * side, number),
                )
        with writer.reading():
            yield writer

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("IMG_*.jpg", {1, 2, 4}),
            ("a/*", {2, 3}),
            ("a/IMG_?.jpg", {2}),
            ("*.[jp][pn]g", {1, 2, 3, 4}),
            ("b/*", {3}),
            ("MG_1.jpg", None),
            ("c[[]1]/*", {5}),
        ],
    )
    def test_patterns(self, catalog: Catalog, pattern: str, expected: set[int] | None) -> None:
        if expected is None:
            with pytest.raises(UsageError, match="pass the filter"):
                filters.allowed(catalog, Filter(glob=pattern))
            return
        found = filters.allowed(catalog, Filter(glob=pattern))
        assert found is not None
        assert set(found.tolist()) == expected

    @given(data=st.data())
    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],  # it is only read
    )
    def test_ranges_are_those_of_a_slow_search(self, catalog: Catalog, data: st.DataObject) -> None:
        sides = st.none() | st.integers(80, 320)
        sizes = st.none() | st.integers(0, 4000)
        moments = st.none() | st.integers(0, 4 * 10**18 // 7).map(
            lambda ns: datetime.fromtimestamp(ns / 1e9, UTC)
        )
        where = Filter(
            min_side=data.draw(sides), max_side=data.draw(sides), min_bytes=data.draw(sizes),
            max_bytes=data.draw(sizes), after=data.draw(moments), before=data.draw(moments),
            ids=data.draw(st.none() | st.lists(st.integers(0, 9))),
        )  # fmt: skip

        def passes(number: int, size: int, mtime_ns: int, side: int) -> bool:
            return (
                (where.min_side is None or side >= where.min_side)
                and (where.max_side is None or side <= where.max_side)
                and (where.min_bytes is None or size >= where.min_bytes)
                and (where.max_bytes is None or size <= where.max_bytes)
                and (where.after is None or mtime_ns / 1e9 >= where.after.timestamp())
                and (where.before is None or mtime_ns / 1e9 < where.before.timestamp())
                and (where.ids is None or number in where.ids)
            )

        expected = [n for n, (_, *facts) in enumerate(self.FILES, start=1) if passes(n, *facts)]
        if not where:
            assert filters.allowed(catalog, where) is None
        elif not expected:
            with pytest.raises(UsageError, match="pass the filter"):
                filters.allowed(catalog, where)
        else:
            found = filters.allowed(catalog, where)
            assert found is not None
            assert found.tolist() == expected

    @pytest.mark.parametrize("number", [2**63, 10**30])
    @pytest.mark.parametrize("moment", [datetime.min, datetime.min.replace(tzinfo=UTC)])
    def test_bounds_beyond_what_sqlite_counts_exclude_all_or_nothing(
        self, catalog: Catalog, number: int, moment: datetime
    ) -> None:
        everything = Filter(
            min_side=-number, max_side=number, min_bytes=-number, max_bytes=number,
            after=moment, before=datetime.max,
        )  # fmt: skip
        found = filters.allowed(catalog, everything)
        assert found is not None
        assert found.tolist() == [1, 2, 3, 4, 5]
        ids = filters.allowed(catalog, Filter(ids=[-number, 1, number]))
        assert ids is not None
        assert ids.tolist() == [1]
        for nothing in (
            Filter(min_side=number), Filter(max_side=-number), Filter(min_bytes=number),
            Filter(max_bytes=-number), Filter(after=datetime.max), Filter(before=moment),
        ):  # fmt: skip
            with pytest.raises(UsageError, match="pass the filter"):
                filters.allowed(catalog, nothing)

    def test_all_conditions_together(self, catalog: Catalog) -> None:
        found = filters.allowed(catalog, Filter(under="a", glob="*.png", min_side=10, ids=[3, 1]))
        assert found is not None
        assert found.tolist() == [3]


@pytest.mark.parametrize("under", ["a\0b", "/pictures/a\0b", "\ud83c"])
def test_what_cannot_be_a_path_is_no_folder(catalog: Catalog, under: str) -> None:
    with pytest.raises(UsageError, match="cannot be a path"):
        filters.allowed(catalog, Filter(under=under))


def test_a_filter_asked_again_sees_what_has_come_and_gone(many: Path, rows: Vectors) -> None:
    """Its ids are remembered for one revision only."""
    with Index.open(many) as index:
        where = Filter(glob="00000*.png")
        assert len(index.search_vector(rows[0], 50, where=where)) == 10
        assert len(index.search_vector(rows[1], 50, where=where)) == 10
        assert len(index.search_vector(rows[1], 50, where=Filter(glob="00001*.png"))) == 10
        catalog = Catalog(many, writable=True)
        with catalog.writing():
            catalog.delete([3])
        catalog.database.close()
        found = index.search_vector(rows[1], 50, where=where)
        assert len(found) == 9
        assert 3 not in found.ids
