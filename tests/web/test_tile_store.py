from __future__ import annotations

import sqlite3
import stat
import time
from pathlib import Path

import pytest

from clr_search.files.cache import cache_folder
from clr_search.web.tile_store import TileStore


def test_thumbnails_outlive_the_process_and_lie_in_a_private_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "cache"
    store = TileStore(folder)
    store.put("x", b"1")
    store.close()
    assert store.get("x") is None
    again = TileStore(folder)
    assert again.get("x") == b"1"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again.close()


def test_what_was_used_longest_ago_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    store = TileStore(tmp_path, most_bytes=1000)
    for number in range(10):
        store.put(str(number), bytes(100))
        now[0] += 1
    now[0] += 2 * 86_400
    assert store.get("0")  # It is used again.
    store.put("new", bytes(100))
    kept = {name for name in [*map(str, range(10)), "new"] if store.get(name)}
    assert {"0", "new"} <= kept
    assert "1" not in kept
    assert len(kept) * 100 <= 1000
    store.close()


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "thumbnails.sqlite").write_bytes(b"no database" * 1000)
    store = TileStore(tmp_path)
    store.put("x", b"1")
    assert store.get("x") == b"1"
    store.close()


def test_damage_in_use_costs_only_the_store(tmp_path: Path) -> None:
    store = TileStore(tmp_path)
    store.put("x", b"1")
    with sqlite3.connect(tmp_path / "thumbnails.sqlite") as other:
        other.execute("DROP TABLE tile")
    assert store.get("x") is None
    store.put("y", b"2")
    store.close()


def test_no_link_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "theirs"
    target.write_bytes(b"precious")
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "thumbnails.sqlite").symlink_to(target)
    store = TileStore(folder)
    store.put("x", b"1")
    assert store.get("x") is None
    assert target.read_bytes() == b"precious"


def test_a_folder_that_cannot_be_made_costs_only_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file" / "cache", None):
        store = TileStore(folder)
        store.put("x", b"1")
        assert store.get("x") is None
        store.close()


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLR_SEARCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CLR_SEARCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder().name == "clr-search"
