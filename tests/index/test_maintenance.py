"""What the structure has to reach, and what a writer puts right when it opens a collection."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index, maintenance
from clr_search.index.catalog.catalog import Catalog
from tests.index.made import Heard, sqlite_of


@pytest.mark.parametrize(
    ("kept", "good"),
    [
        ('{"recall": 0.9, "memory": null, "graph": false}', True),
        ('{"recall": 0.9, "memory": 1000}', True),
        ("{}", True),
        ('{"recall": 1.5}', False),
        ('{"recall": "x"}', False),
        ('{"memory": 0}', False),
        ('{"unknown": 1}', False),
        ("[", False),
        (None, False),
        (3, False),
    ],
)
def test_a_goal_out_of_a_damaged_catalogue(kept: object, good: bool) -> None:
    assert maintenance.is_goal(kept) is good


def test_a_goal_is_kept_and_what_is_not_given_stays(many: Path) -> None:
    with Index.open(many, writable=True) as index:
        index.aim(recall=0.9)
        index.aim(memory=10**9)
    catalog = Catalog(many, writable=False)
    with catalog.reading():
        goal = maintenance.goal_of(catalog)
    assert (goal.recall, goal.memory, goal.graph) == (0.9, 10**9, False)
    with Index.open(many, writable=True) as index:
        index.aim(memory=math.inf)
        for wrong, message in (
            ({"recall": 1.0}, "The recall is 1"),
            ({"memory": 0.5}, "The memory is 0 bytes"),
            ({"memory": math.nan}, "no number"),
        ):
            with pytest.raises(UsageError, match=message):
                index.aim(**wrong)


def test_a_goal_that_cannot_be_read_is_told(many: Path) -> None:
    sqlite_of(many).execute("INSERT OR REPLACE INTO meta VALUES ('goal', '[')")
    with (
        Index.open(many, writable=True) as index,
        pytest.raises(ClrSearchError, match="unreadable entry on what its search has to reach"),
    ):
        index.settle()


@pytest.mark.usefixtures("small_limits")
def test_settling_builds_once(many: Path) -> None:
    catalog = Catalog(many, writable=True)
    heard = Heard()
    assert maintenance.settle(catalog, heard)
    assert len(heard.messages) == 2
    assert not maintenance.settle(catalog, heard)
    assert len(heard.messages) == 2


@pytest.mark.usefixtures("small_limits")
def test_files_of_killed_writers_go_when_the_next_one_opens(many: Path) -> None:
    maintenance.settle(Catalog(many, writable=True), Heard())
    (many / "ann" / "99.faiss").write_bytes(b"half")
    Index.open(many, writable=True).close()
    assert sorted(path.name for path in (many / "ann").iterdir()) == ["1.faiss", "1.vectors"]
