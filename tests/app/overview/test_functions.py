"""What the tabs Map and Groups ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.app.functions.groups import Groups
from clr_search.app.functions.map import Mapping
from clr_search.app.library.asked import Asked
from clr_search.app.library.library import Library
from clr_search.app.library.uploads import Uploads
from clr_search.app.overview.overview import Overview
from clr_search.errors import ClrSearchError
from clr_search.index import Index


def test_the_map_is_told(overview: Overview) -> None:
    told = Mapping(overview).chart(Asked({}))
    assert (told["ready"], told["stage"], told["empty"]) == (True, "", False)
    assert (told["count"], told["total"], told["labels"], told["folders"]) == (36, 36, 3, 3)


def test_groups_have_strips_from_the_typical_to_the_odd(overview: Overview) -> None:
    told = Groups(overview).groups(Asked({"groups": 3}))
    assert sum(group["size"] for group in told["groups"]) == 36
    assert told["alone"] == 36
    for group in told["groups"]:
        assert len(group["rows"]) == min(12, group["size"])
        assert all("name" in row for row in group["rows"])
    assert Groups(overview).groups(Asked({"groups": 3, "brief": True}))["groups"] == []


def test_a_group_is_read_in_parts(overview: Overview) -> None:
    groups = Groups(overview)
    whole = groups.group(Asked({"groups": 3, "group": 0}))
    part = groups.group(Asked({"groups": 3, "group": 0, "offset": 2, "count": 3}))
    assert part["total"] == whole["total"] == len(whole["rows"])
    assert part["rows"] == whole["rows"][2:5]
    members = groups.members(Asked({"groups": 3, "group": 0}))["ids"]
    assert members == [row["id"] for row in whole["rows"]]


def test_pictures_like_no_other_name_what_they_are_nearest_to(overview: Overview) -> None:
    groups = Groups(overview)
    rows = groups.alone(Asked({"groups": 3}))["rows"]
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores)
    assert all(row["note"].startswith("nearest: ") for row in rows)
    ids = groups.members(Asked({"groups": 3, "group": -1}))["ids"]
    assert ids == [row["id"] for row in rows]


def test_what_is_not_there_is_said(overview: Overview) -> None:
    groups = Groups(overview)
    with pytest.raises(ClrSearchError, match="no longer there"):
        groups.group(Asked({"groups": 3, "group": 3}))
    with pytest.raises(ClrSearchError, match="not ready yet"):
        groups.group(Asked({"groups": 7}))
    with pytest.raises(ClrSearchError, match="can be 0 to 100"):
        groups.groups(Asked({"groups": 101}))


def test_an_empty_collection_has_neither(tiny_encoder: Path, tmp_path: Path) -> None:
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        library = Library(index, Uploads(tmp_path))
        overview = Overview(library)
        assert Mapping(overview).chart(Asked({}))["empty"]
        assert Groups(overview).groups(Asked({}))["empty"]
        library.close()
