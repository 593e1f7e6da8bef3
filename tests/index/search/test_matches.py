from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from clr_search.index import Match, Matches

THREE = Matches(
    [
        Match(1, 7, Path("/p/red/a.jpg"), 0.9, "red"),
        Match(2, 3, Path("/p/b.jpg"), 0.5, None),
        Match(3, 9, Path("/p/c.jpg"), -0.25, "p"),
    ]
)


def test_it_is_a_sequence() -> None:
    assert len(THREE) == 3
    assert [match.rank for match in THREE] == [1, 2, 3]
    assert THREE[0].path == Path("/p/red/a.jpg")
    assert THREE[-1].id == 9
    assert THREE[1] in THREE
    assert next(reversed(THREE)).id == 9
    assert not Matches([])


def test_a_slice_is_matches_too_and_keeps_the_ranks() -> None:
    tail = THREE[1:]
    assert isinstance(tail, Matches)
    assert tail.ids.tolist() == [3, 9]
    assert tail[0].rank == 2
    assert tail == THREE[-2:]
    assert hash(tail) == hash(THREE[-2:])
    assert tail != THREE


def test_its_columns() -> None:
    assert THREE.ids.dtype == np.int64
    assert THREE.scores.dtype == np.float32
    np.testing.assert_allclose(THREE.scores, [0.9, 0.5, -0.25])
    assert THREE.paths == [Path("/p/red/a.jpg"), Path("/p/b.jpg"), Path("/p/c.jpg")]
    assert THREE.labels == ["red", None, "p"]
    assert Matches([]).ids.shape == Matches([]).scores.shape == (0,)


def test_it_shows_itself() -> None:
    assert repr(THREE).splitlines() == [
        "3 matches",
        "    1  0.9000  /p/red/a.jpg",
        "    2  0.5000  /p/b.jpg",
        "    3  -0.2500  /p/c.jpg",
    ]
    assert repr(Matches(list(THREE) * 5)).splitlines()[-1] == "  … 5 more"


def test_a_match_as_json_is_what_the_command_line_promises() -> None:
    assert json.loads(json.dumps(THREE[0].summary())) == {
        "rank": 1,
        "path": "/p/red/a.jpg",
        "score": 0.9,
        "percentile": None,
        "missing": None,
        "label": "red",
        "id": 7,
    }


def test_files_that_are_not_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be seen now, as behind a folder without rights, is not called missing."""
    (tmp_path / "there.jpg").touch()
    closed = str(tmp_path / "closed" / "a.jpg")
    names = ["there.jpg", "gone.jpg", "there.jpg/gone.jpg", "closed/a.jpg", "x" * 300]
    matches = Matches([Match(1, 1, tmp_path / name, 0.5, None) for name in names], same=[tmp_path])
    true = os.stat

    def stat(path: str) -> os.stat_result:
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return true(path)

    monkeypatch.setattr(os, "stat", stat)
    marked = matches.with_missing()
    assert [match.missing for match in marked] == [False, True, True, False, False]
    assert marked.same == (tmp_path,)
    assert [match.missing for match in matches] == [None] * 5
