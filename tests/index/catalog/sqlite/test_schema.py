"""The tables of a collection, and what their indexes are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.files.own import OwnFolder
from clr_search.index.catalog.sqlite.database import Database
from clr_search.index.catalog.sqlite.schema import APPLICATION_ID, READABLE, VERSION
from tests.index.made import sqlite_of, write_vectors


def test_a_new_catalogue_says_what_it_is_and_of_which_version(tmp_path: Path) -> None:
    Database(OwnFolder(tmp_path), writable=True).close()
    connection = sqlite_of(tmp_path)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert READABLE <= VERSION
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = {name for (name,) in tables} - {"sqlite_sequence"}
    ours = {"meta", "roots", "items", "skipped", "staged"}
    assert names == ours | {"exif", "columns", "cells", "dismissed", "notes"}


@pytest.mark.parametrize(
    ("condition", "how"),
    [
        ("mtime_ns >= 5", "SEARCH"),
        ("mtime_ns < 5 AND size >= 3", "SEARCH"),
        ("size <= 3", "SCAN"),
        ("min(width, height) >= 3", "SCAN"),
    ],
)
def test_filters_by_what_is_known_of_files_read_no_embeddings(
    tmp_path: Path, condition: str, how: str
) -> None:
    """What version 2 is for."""
    folder = write_vectors(tmp_path / "x.clr", np.eye(4, dtype=np.float32))
    plan = sqlite_of(folder).execute(f"EXPLAIN QUERY PLAN SELECT id FROM items WHERE {condition}")
    (step,) = [row[3] for row in plan]
    assert step.startswith(f"{how} items USING COVERING INDEX items_by_file")
