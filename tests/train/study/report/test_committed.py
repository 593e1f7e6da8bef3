"""The report that is committed says what the committed results say."""

from __future__ import annotations

from pathlib import Path

from bench import study_page

FOLDER = Path(__file__).parents[4] / "docs" / "study"


def test_the_report_is_that_of_the_results() -> None:
    study = study_page.loaded(FOLDER)
    written = (FOLDER / "README.md").read_text(encoding="utf-8")
    again = "make it again: python -m bench.study_page docs/study"
    assert written == study_page.report(study), again


def test_every_result_is_of_the_study() -> None:
    """None is left of other settings, which the report would leave out without a word."""
    study = study_page.loaded(FOLDER)
    every = study.scope.trainings(study.experiments.values())
    committed = {path.stem for path in (FOLDER / "cells").iterdir()}
    assert committed == {one.name for one in every} - {one.name for one in study.missing}


def test_each_insight_has_its_sentences() -> None:
    study = study_page.loaded(FOLDER)
    for insight in study_page.INSIGHTS:
        claims = study.experiments[insight.experiment].claims
        found = [one for one in claims if one.text.startswith(insight.sentences)]
        assert len(found) == len(insight.sentences)
