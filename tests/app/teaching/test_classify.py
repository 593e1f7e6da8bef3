"""The classifier that is taken away, and what pictures and the collection are taken for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from clr_search.app.library.permissions import Permissions
from clr_search.app.teaching import finishing as finishings
from clr_search.serve import Probe
from tests.app.teaching.conftest import School


def finish(school: School) -> Any:
    """Make the classifier, and wait for it."""
    assert school.ask("finish") == {"started": True}
    for _ in range(600):
        state = school.ask("finished")
        if not isinstance(state, dict) or state["running"] is None:
            return state
        time.sleep(0.05)
    raise AssertionError("It took longer than half a minute.")


def test_the_classifier_is_made_measured_and_written(school: School, pictures: Path) -> None:
    assert school.ask("finished")["result"] is None
    made = finish(school)
    assert made["current"]
    result = made["result"]
    assert (result["classes"], result["pictures"], result["held"]) == (3, 36, 36)
    low, high = result["interval"]
    assert low < result["accuracy"] <= high
    assert result["accuracy"] > 0.9
    assert result["majority"] == pytest.approx(1 / 3)
    assert result["tells_unknown"]
    finished = school.finishing.newest()
    assert finished is not None
    saved = Probe(finished.path)
    assert result["bytes"] == finished.path.stat().st_size
    assert saved.predict([pictures / "red" / "red00.jpg"]) == ["red"]
    changed = school.ask("label", changes=[{"ids": school.ids("red")[:1], "label": "blue"}])
    assert not changed["saved"]
    assert not school.ask("finished")["current"]
    school.ask("undo", undo=changed["undo"])
    assert school.ask("finished")["current"]  # the labels are those again that it was made of
    finish(school)
    assert not finished.path.exists()  # the newest alone is kept


def test_with_few_labels_each_picture_is_left_out_in_turn(school: School) -> None:
    school.ask("relabel", to="none")
    for name in ("red", "blue"):
        school.ask("label", changes=[{"ids": school.ids(name)[:2], "label": name}])
    result = finish(school)["result"]
    assert (result["pictures"], result["held"], result["how"]) == (4, 4, "leave one out")
    assert not result["tells_unknown"]


def test_what_cannot_be_fitted_is_told_once(school: School) -> None:
    school.ask("relabel", to="none")
    assert "A probe needs two classes" in finish(school)
    assert school.ask("finished")["result"] is None


def test_a_failure_is_told_too(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(finishings, "fit_probe", broken)
    assert "could not be fitted; the log says why" in finish(school)


def test_a_picture_is_classified_by_what_was_learnt(school: School, pictures: Path) -> None:
    item = school.ids("green")[3]
    told = school.ask("classify", term={"id": item})
    assert told["shares"][0][0] == "green"
    assert sum(share for _, share in told["shares"]) == pytest.approx(1, abs=1e-3)
    assert told["known"] is None  # only the classifier that is made with care can tell
    assert told["accuracy"] > 0.9
    finish(school)
    told = school.ask("classify", term={"id": item})
    assert (told["shares"][0][0], told["known"], told["refused"]) == ("green", True, 0.05)
    data = (pictures / "blue" / "blue01.png").read_bytes()
    upload = school.library.brought(data, "b.png")
    told = school.ask("classify", term={"upload": upload.token})
    assert told["shares"][0][0] == "blue"
    part = school.ask("classify", term={"id": item, "crop": [0.1, 0.1, 0.5, 0.5]})
    assert part["shares"][0][0] == "green"
    assert "no longer here" in school.ask("classify", term={"upload": "x" * 20})
    school.ask("relabel", to="none")
    assert "There is no classifier yet" in school.ask("classify", term={"id": item})
    assert "There is no classifier yet" in school.ask("all")


def test_the_classifier_that_was_given_still_classifies(
    school: School, probe: Path, pictures: Path, tmp_path: Path
) -> None:
    assert school.ask("classifiers") == {"given": False, "taught": True}
    assert "without --probe" in school.ask("classify", by="given", term={"id": 1})
    school.open(Permissions(), Probe(probe))
    assert school.ask("classifiers") == {"given": True, "taught": True}
    item = school.ids("red")[0]
    told = school.ask("classify", by="given", term={"id": item})
    assert told["shares"][0][0] == "red"
    assert told["known"] is True
    assert told["classes"] == 3
    data = _picture_of_nothing(tmp_path)
    upload = school.library.brought(data, "odd.png")
    told = school.ask("classify", by="given", term={"upload": upload.token})
    assert told["known"] is False
    part = school.ask("classify", by="given", term={"id": item, "crop": [0, 0, 0.5, 0.5]})
    assert part["shares"][0][0] == "red"


def test_the_whole_collection(school: School) -> None:
    green = school.ids("green")
    school.ask("rename", label="green")  # now of no class
    for name in ("red", "blue"):
        school.ask("label", changes=[{"ids": school.ids(name)[6:], "label": ""}])
    school.ask("label", changes=[{"ids": green[:1], "label": "green"}])
    told = school.ask("all")
    assert told["novel"] is None
    counts = {one["name"]: (one["labelled"], one["guessed"]) for one in told["classes"]}
    assert {name: labelled for name, (labelled, _) in counts.items()} == {
        "red": 6,
        "blue": 6,
        "green": 1,
    }
    assert sum(guessed for _, guessed in counts.values()) == 36 - 13
    shown = school.ask("pictures", show="guess", of="red")
    assert shown["total"] == counts["red"][1]
    sure = [row["sure"] for row in shown["rows"]]
    assert sure == sorted(sure, reverse=True)
    assert {row["label"] for row in shown["rows"]} == {None}


def test_what_is_of_none_of_the_classes(school: School) -> None:
    school.ask("rename", label="green")
    for name in ("red", "blue"):
        school.ask("label", changes=[{"ids": school.ids(name)[10:], "label": ""}])
    finish(school)
    told = school.ask("all")
    assert told["saved"]
    novel = school.ask("pictures", show="novel")
    assert novel["total"] == told["novel"] > 6
    assert {row["folder"] for row in novel["rows"]} >= {"green"}
    guessed = sum(one["guessed"] for one in told["classes"])
    assert guessed + told["novel"] == 16


def _picture_of_nothing(folder: Path) -> bytes:
    """A picture unlike the red, green and blue ones."""
    from PIL import Image

    path = folder / "odd.png"
    Image.new("RGB", (64, 64), (255, 255, 255)).save(path)
    return path.read_bytes()
