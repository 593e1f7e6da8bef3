"""Questions of the Groups tab: groups of like pictures, and pictures that are like no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clr_search.app.functions.carried import Answer
from clr_search.app.functions.map import told
from clr_search.app.library.asked import MOST_CHOSEN, MOST_ROWS, Asked
from clr_search.app.overview.grouped import MOST_GROUPS, Group, Grouped
from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    from clr_search.app.overview.overview import Overview

SHOWN = 12
"""Pictures of each group that stand for it."""


class Groups:
    """The questions of the tab.

    Parameters
    ----------
    overview : Overview
        What is made of the whole collection.
    """

    def __init__(self, overview: Overview) -> None:
        self._overview, self._library = overview, overview.library

    def groups(self, asked: Asked) -> Answer:
        """Begin the groups where there are none, and return how far they are, or all of them."""
        if not len(self._library):
            return {"empty": True, "ready": False, "stage": "", "seconds": 0.0}
        count = asked.count("groups", 0, MOST_GROUPS, 0)
        progress = self._overview.groupings.progress(count)
        answer = {"empty": False, **told(progress)}
        if progress.result is not None:
            found = progress.result
            answer["alone"] = len(found.alone)
            answer["groups"] = [] if asked.flag("brief") else self._strips(found)
        return answer

    def group(self, asked: Asked) -> Answer:
        """Return the rows of a group from `offset` on, the most typical first."""
        group = self._one(asked)
        part = self._part(asked)
        return {
            "total": len(group.ids),
            "label": group.label,
            "rows": self._library.rows(group.ids[part].tolist()),
        }

    def alone(self, asked: Asked) -> Answer:
        """Return the rows of pictures that are least like any other, with what they are nearest."""
        found = self._found(asked)
        part = self._part(asked)
        ids, nearest = found.alone[part].tolist(), found.nearest[part].tolist()
        rows = self._library.rows(ids, found.scores[part])
        for row, other in zip(rows, self._library.rows(nearest), strict=True):
            if "name" in other:
                row["note"] = f"nearest: {other['name']}"
        return {"total": len(found.alone), "rows": rows}

    def members(self, asked: Asked) -> Answer:
        """Return the ids of a group, or with -1 of the pictures that are like no other."""
        if asked.count("group", -1, MOST_GROUPS, 0) < 0:
            ids = self._found(asked).alone
        else:
            ids = self._one(asked).ids
        return {"ids": ids[:MOST_CHOSEN].tolist()}

    def _one(self, asked: Asked) -> Group:
        """Return a group that the page shows."""
        found = self._found(asked)
        number = asked.count("group", 0, MOST_GROUPS, 0)
        if number >= len(found.groups):
            raise ClrSearchError("That group is no longer there.", "Choose another one.")
        return found.groups[number]

    def _found(self, asked: Asked) -> Grouped:
        """Return the groups that the page shows."""
        count = asked.count("groups", 0, MOST_GROUPS, 0)
        found = self._overview.groupings.progress(count).result
        if found is None:
            raise ClrSearchError("The groups are not ready yet.", "Wait a moment.")
        return found

    def _part(self, asked: Asked) -> slice:
        """Return the part of a list that is asked for."""
        offset = asked.count("offset", 0, 2**53, 0)
        return slice(offset, offset + asked.count("count", 0, MOST_ROWS, 48))

    def _strips(self, found: Grouped) -> list[Answer]:
        """Return what the page shows of each group."""
        samples = [sample(group) for group in found.groups]
        rows = iter(self._library.rows([number for ids in samples for number in ids]))
        return [
            {
                "size": len(group.ids),
                "label": group.label,
                "share": round(group.share, 3),
                "rows": [next(rows) for _ in ids],
            }
            for group, ids in zip(found.groups, samples, strict=True)
        ]


def sample(group: Group) -> list[int]:
    """Return the most typical picture of a group, and others from the typical to the odd.

    Examples
    --------
    >>> sample(Group(np.arange(100), "", 0.0))[:3]
    [0, 9, 18]
    """
    at = np.linspace(0, len(group.ids) - 1, min(SHOWN, len(group.ids))).astype(int)
    ids: list[int] = group.ids[at].tolist()
    return ids
