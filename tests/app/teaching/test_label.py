"""Labelling, as a browser asks for it: what is kept in the collection, and what can be undone."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from clr_search.app.library.permissions import Permissions
from clr_search.app.teaching import lesson as lessons
from clr_search.app.teaching import teacher as teachers
from clr_search.app.teaching.changes import Change, Changes
from clr_search.errors import ClrSearchError
from clr_search.index import Index
from tests.app.teaching.conftest import School


def test_folders_are_classes_to_begin_with(school: School) -> None:
    lesson = school.ask("lesson")
    assert [(one["name"], one["count"]) for one in lesson["classes"]] == [
        ("blue", 12),
        ("green", 12),
        ("red", 12),
    ]
    assert not lesson["given"]
    assert lesson["labelled"] == lesson["total"] == lesson["measured"] == 36
    low, high = lesson["interval"]
    assert low < lesson["accuracy"] <= high
    assert lesson["accuracy"] > 0.9
    assert lesson["chance"] == lesson["majority"] == pytest.approx(1 / 3)
    assert school.ask("proposals")["rows"] == []


def test_labels_are_kept_and_those_of_folders_stay(school: School) -> None:
    red = school.ids("red")
    answer = school.ask("label", changes=[{"ids": red[:2], "label": "  scarlet  red "}])
    assert answer["changed"] == 2
    assert answer["given"]
    assert {one["name"]: one["count"] for one in answer["classes"]} == {
        "blue": 12,
        "green": 12,
        "red": 10,
        "scarlet red": 2,
    }
    assert school.labels()["red00.jpg"] == "scarlet red"
    assert school.labels()["red05.png"] == "red"
    undone = school.ask("undo", undo=answer["undo"])
    assert dict(undone["labels"]) == dict.fromkeys(red[:2], "red")
    assert not undone["given"]  # nothing else was said: they are the folders' names again
    assert set(school.labels().values()) == {"red", "green", "blue"}
    assert "no longer be undone" in school.ask("undo", undo=answer["undo"])


def test_what_another_has_said_since_is_not_undone(school: School) -> None:
    one, other, *_ = school.ids("red")
    first = school.ask("label", changes=[{"ids": [one, other], "label": "mine"}])
    school.ask("label", changes=[{"ids": [other], "label": "theirs"}])
    undone = school.ask("undo", undo=first["undo"])
    assert undone["changed"] == 1
    assert undone["given"]
    assert [school.labels()[name] for name in ("red00.jpg", "red01.png")] == ["red", "theirs"]


def test_all_is_taken_away_and_taught_anew(school: School) -> None:
    """From nothing to a classifier that is right, by the proposals alone."""
    started = school.ask("relabel", to="none")
    assert started["classes"] == []
    assert started["labelled"] == 0
    assert "accuracy" not in started
    for _ in range(3):
        rows = school.ask("proposals", count=4)["rows"]
        assert len(rows) == 4
        changes = [{"ids": [row["id"]], "label": row["folder"]} for row in rows]
        lesson = school.ask("label", changes=changes)
    assert lesson["labelled"] == 12
    assert {one["name"] for one in lesson["classes"]} == {"red", "green", "blue"}
    rows = school.ask("proposals", count=60)["rows"]
    assert len(rows) == 24
    assert np.mean([row["guess"] == row["folder"] for row in rows]) > 0.8
    skipped = [row["id"] for row in rows[:20]]
    rest = school.ask("proposals", count=60, skip=skipped)["rows"]
    assert len(rest) == 4
    assert not {row["id"] for row in rest} & set(skipped)
    assert school.ask("undo", undo=started["undo"])["changed"] == 24
    assert None not in school.labels().values()
    school.ask("relabel", to="folders")
    assert not school.ask("lesson")["given"]


def test_lists(school: School) -> None:
    """A label that is wrong is found, as is the cell that it is in."""
    wrong, *_ = school.ids("red")
    school.ask("label", changes=[{"ids": [wrong], "label": "blue"}])
    found = school.ask("pictures", show="wrong")
    assert found["total"] == 1
    assert [(row["id"], row["label"], row["guess"]) for row in found["rows"]] == [
        (wrong, "blue", "red")
    ]
    cell = school.ask("pictures", show="cell", of="blue", **{"as": "red"})
    assert [row["id"] for row in cell["rows"]] == [wrong]
    matrix = school.ask("confusion")
    assert matrix["classes"] == ["blue", "green", "red"]
    assert matrix["matrix"][0][2] == 1
    assert sum(map(sum, matrix["matrix"])) == 36
    assert matrix["mistakes"] == [{"of": "blue", "as": "red", "count": 1}]
    assert school.ask("pictures", show="doubt")["rows"][0]["id"] in school.ids("")
    assert school.ask("pictures", show="none")["total"] == 0
    blue = school.ask("pictures", show="class", of="blue", offset=10, count=5)
    assert (blue["total"], len(blue["rows"])) == (13, 3)
    school.ask("label", changes=[{"ids": [wrong], "label": "red"}])
    again = school.ask("pictures", list=blue["list"], show="class", of="blue")
    assert again["total"] == 13  # further rows of a list are those of the list as it was shown
    assert school.ask("pictures", show="class", of="blue")["total"] == 12
    assert school.ask("pictures", show="class", of="no such")["total"] == 0


def test_classes_are_renamed_joined_and_removed(school: School) -> None:
    school.ask("rename", label="red", new="warm")
    joined = school.ask("rename", label="green", new="blue")
    assert {one["name"]: one["count"] for one in joined["classes"]} == {"blue": 24, "warm": 12}
    removed = school.ask("rename", label="warm")
    assert removed["labelled"] == 24
    assert school.ask("undo", undo=removed["undo"])["labelled"] == 36
    assert "No picture has the label" in school.ask("rename", label="red", new="x")


def test_one_class_and_one_picture_alone(school: School) -> None:
    school.ask("relabel", to="none")
    one, two, *_ = school.ids("red")
    lesson = school.ask("label", changes=[{"ids": [one], "label": "red"}])
    assert "accuracy" not in lesson
    assert len(school.ask("proposals")["rows"]) == 24
    assert "guess" not in school.ask("proposals")["rows"][0]
    lesson = school.ask("label", changes=[{"ids": [two], "label": "other"}])
    assert "accuracy" not in lesson  # no class can spare its only picture
    assert school.ask("confusion")["classes"] == []
    assert school.ask("proposals")["rows"][0]["guess"] in {"red", "other"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"changes": [{"ids": [1], "label": "x" * 101}]}, "cannot be called"),
        ({"changes": [{"ids": [1], "label": "a\u0007b"}]}, "cannot be called"),
        ({"changes": [{"ids": [1], "label": 3}]}, "none that this page sends"),
        ({"changes": [{"ids": [99999], "label": "x"}]}, "no item with the id 99999"),
        ({"changes": [{"ids": ["1"], "label": "x"}]}, "none that this page sends"),
        ({"changes": []}, "No pictures are chosen"),
    ],
)
def test_what_is_refused_changes_nothing(
    school: School, args: dict[str, object], said: str
) -> None:
    before = school.labels()
    assert said in school.ask("label", **args)
    assert school.labels() == before
    assert not school.ask("lesson")["given"]


def test_who_may_not_write_can_only_look(school: School) -> None:
    school.open(Permissions(write=False))
    for name, args in (
        ("label", {"changes": [{"ids": [1], "label": "x"}]}),
        ("rename", {"label": "red", "new": "x"}),
        ("relabel", {"to": "none"}),
        ("undo", {"undo": "x" * 20}),
    ):
        assert "Nothing is remembered" in school.ask(name, **args)
    assert school.ask("lesson")["labelled"] == 36
    assert set(school.labels().values()) == {"red", "green", "blue"}


def test_changes_of_other_processes_are_followed(school: School, pictures: Path) -> None:
    school.ask("lesson")
    held = school.teacher.lesson().held
    with Index.open(school.path, writable=True) as index:
        index.relabel({school.ids("red")[0]: "elsewhere"})
    assert "elsewhere" in {one["name"] for one in school.ask("lesson")["classes"]}
    assert school.teacher.lesson().held is held  # vectors are not read again for a label
    with Index.open(school.path, writable=True) as index:
        index.remove([pictures / "red"])
    assert school.ask("lesson")["total"] == 24
    assert school.teacher.lesson().held is not held


def test_while_another_process_writes_a_label_waits_and_then_says_so(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teachers, "PATIENCE", 0.2)
    changes = [{"ids": school.ids("red")[:1], "label": "late"}]
    with Index.open(school.path, writable=True):
        assert f"being written to by process {os.getpid()}" in school.ask("label", changes=changes)
    monkeypatch.setattr(teachers, "PATIENCE", 30)
    writer = Index.open(school.path, writable=True)
    closing = threading.Timer(0.3, writer.close)
    closing.start()
    assert school.ask("label", changes=changes)["changed"] == 1
    closing.join()


def test_visitors_at_once_lose_no_label(school: School) -> None:
    ids = school.ids("")
    school.ask("lesson")

    def work(part: list[int]) -> None:
        for number in part:
            school.ask("label", changes=[{"ids": [number], "label": f"own {number}"}])

    threads = [threading.Thread(target=work, args=(ids[at::4],)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(school.labels().values(), key=str) == sorted(f"own {n}" for n in ids)
    assert len(school.ask("lesson")["classes"]) == 36


def test_of_many_labelled_pictures_some_are_fitted(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay the same from label to label, and each class keeps a few."""
    monkeypatch.setattr(lessons, "MOST_FITTED", 10)
    monkeypatch.setattr(lessons, "LEAST_FITTED", 2)
    school.ask("label", changes=[{"ids": school.ids("red")[:3], "label": "rare"}])
    first = school.teacher.lesson()
    assert 10 <= len(first.fitted) <= 16
    assert np.bincount(first.codes[first.fitted]).min() >= 2
    school.ask("label", changes=[{"ids": school.ids("blue")[:1], "label": ""}])
    second = school.teacher.lesson()
    assert len(np.setxor1d(first.fitted, second.fitted)) <= 3
    judged = second.judged()
    assert judged is not None
    assert (judged.best == second.codes)[second.codes >= 0].mean() > 0.7


def test_too_many_classes_are_told_of(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teachers, "MOST_CLASSES", 2)
    assert "The collection has 3 labels; 2 can be taught" in school.ask("lesson")
    assert "undo" in (answer := school.ask("relabel", to="none"))
    assert answer["classes"] == []


def test_an_empty_collection(school: School, pictures: Path) -> None:
    with Index.open(school.path, writable=True) as index:
        index.remove([pictures])
    lesson = school.ask("lesson")
    assert (lesson["total"], lesson["classes"]) == (0, [])
    assert school.ask("proposals")["rows"] == []
    assert school.ask("pictures", show="doubt")["total"] == 0


def test_old_changes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clr_search.app.teaching.changes.MOST", 2)
    changes = Changes()
    tokens = [changes.add(Change({n: None}, {n: "x"}, from_folders=False)) for n in range(3)]
    with pytest.raises(ClrSearchError, match="no longer"):
        changes.take(tokens[0])
    assert changes.take(tokens[2])[0].after == {2: "x"}
    monkeypatch.setattr("clr_search.app.teaching.changes.MOST_LABELS", 1)
    big = changes.add(Change(dict.fromkeys(range(5)), {}, from_folders=False))
    assert changes.take(big) == (Change(dict.fromkeys(range(5)), {}, from_folders=False), True)
