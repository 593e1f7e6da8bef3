"""The question of the Map tab: how far the map is. The map itself has routes (`routes.map`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clr_search.app.functions.carried import Answer
from clr_search.app.library.asked import Asked

if TYPE_CHECKING:
    from clr_search.app.overview.overview import Overview
    from clr_search.app.overview.work import Progress


class Mapping:
    """The question of the tab.

    Parameters
    ----------
    overview : Overview
        What is made of the whole collection.
    """

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def chart(self, _: Asked) -> Answer:
        """Begin the map where there is none, and return how far it is, and what there is of it."""
        if not len(self._overview.library):
            return {"empty": True, "ready": False, "stage": "", "seconds": 0.0}
        progress = self._overview.chart.progress()
        answer = {"empty": False, **told(progress)}
        if progress.result is not None:
            chart = progress.result
            answer["token"] = chart.token
            answer["count"] = len(chart.ids)
            answer["total"] = chart.total
            answer["labels"] = len(chart.labels.names)
            answer["folders"] = len(chart.folders.names)
        return answer


def told(progress: Progress[Any]) -> Answer:
    """Return how far some work is, as JSON has it."""
    return {
        "ready": progress.result is not None,
        "stage": progress.stage,
        "seconds": round(progress.seconds, 1),
    }
