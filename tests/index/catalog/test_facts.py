"""Facts of a collection: their types, their keys on disk, and words for damage."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.facts import CollectionFacts, facts_of
from tests.index.made import clustered, sqlite_of, write_vectors

FOLDER = Path("x.clr")
LEAST = {"encoder_sha256": "ab", "encoder_name": "tiny", "dimension": 16}


def test_what_is_not_set() -> None:
    assert facts_of(FOLDER, LEAST) == CollectionFacts(
        revision=0,
        encoder_sha256="ab",
        encoder_name="tiny",
        dimension=16,
        rebuild_sha256=None,
        goal=None,
        generation=None,
        last_generation=0,
        latency_ms=None,
        latency_p99_ms=None,
    )


def test_the_keys_on_disk_are_those_of_all_releases(tmp_path: Path) -> None:
    folder = write_vectors(tmp_path / "x.clr", clustered(3, 8))
    catalog = Catalog(folder, writable=True)
    with catalog.writing() as revision:
        catalog.pin_encoder("cd", "other", 8)
        catalog.set_rebuild("ef")
        catalog.set_goal("{}")
        catalog.set_generation('{"number": 3}')
        catalog.set_last_generation(3)
        catalog.set_latency(0.5, 2)
    with catalog.reading():
        facts = catalog.facts()
        assert catalog.revision() == facts.revision == revision == 3
        assert catalog.is_pinned()
    kept = dict(sqlite_of(folder).execute("SELECT key, value FROM meta").fetchall())
    assert kept == {
        "revision": 3,
        "encoder_sha256": "cd",
        "encoder_name": "other",
        "dimension": 8,
        "rebuild_sha256": "ef",
        "goal": "{}",
        "ann": '{"number": 3}',
        "last_generation": 3,
        "latency_ms": 0.5,
        "latency_p99_ms": 2,
    }
    assert set(asdict(facts).values()) == {*kept.values(), 1}  # decoded by the first releases


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("dimension", None, "its embeddings have length None"),
        ("dimension", "many", "its embeddings have length 'many'"),
        ("dimension", 0, "its embeddings have length 0"),
        ("dimension", 70_000, "its embeddings have length 70000"),
        ("revision", "x", "its revision is 'x'"),
        ("revision", -1, "its revision is -1"),
        ("last_generation", 1.5, r"its last_generation is 1\.5"),
        ("encoder_sha256", b"x", "its encoder_sha256 is b'x'"),
        ("encoder_name", 3, "its encoder_name is 3"),
        ("goal", 3, "its goal is 3"),
        ("ann", 3, "its ann is 3"),
        ("latency_ms", "slow", "its latency_ms is 'slow'"),
    ],
)
def test_what_cannot_be_is_damage(key: str, value: object, message: str) -> None:
    with pytest.raises(ClrSearchError, match=rf"x\.clr is damaged: {message}\.") as caught:
        facts_of(FOLDER, {**LEAST, key: value})
    assert "backup" in caught.value.remedy


def test_without_an_encoder_its_making_was_cut_short(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"The making of x\.clr was cut short") as caught:
        facts_of(FOLDER, {"revision": 1})
    assert "build-index" in caught.value.remedy
    catalog = Catalog(tmp_path, writable=True)
    with catalog.reading():
        assert not catalog.is_pinned()
        assert catalog.revision() == 0


@pytest.mark.parametrize(
    ("key", "value"), [("revision", "x"), ("goal", 3), ("goal", "["), ("goal", '{"a": 1}')]
)
def test_a_damaged_fact_is_told_by_whoever_needs_it(
    tmp_path: Path, key: str, value: object
) -> None:
    folder = write_vectors(tmp_path / "x.clr", clustered(3, 8))
    sqlite_of(folder).execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
    with pytest.raises(ClrSearchError, match=r"is damaged|unreadable entry"):
        Index.open(folder, writable=True).settle()
