"""Labels as they were before a change, so that it can be undone."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from clr_search.errors import ClrSearchError

MOST = 100
"""Largest number of changes that are remembered, of all visitors together."""

MOST_LABELS = 2_000_000
"""Largest number of labels that they hold together."""

Labels = Mapping[int, str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of labels.

    Attributes
    ----------
    before, after : mapping of int to str or None
        Labels by the ids of pictures.
    from_folders : bool
        Whether labels were the names of folders before it.
    """

    before: Labels
    after: Labels
    from_folders: bool


class Changes:
    """The last changes of all visitors, by tokens; it is safe to use from several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Change] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, change: Change) -> str:
        """Remember a change, and return its token; the oldest are forgotten."""
        token = secrets.token_urlsafe(18)
        with self._lock:
            self._known[token] = change
            while len(self._known) > 1 and (len(self._known) > MOST or self._held() > MOST_LABELS):
                self._known.popitem(last=False)
        return token

    def take(self, token: str | None) -> tuple[Change, bool]:
        """Return a change, which is forgotten, and whether it was the only one that is known.

        Raises
        ------
        ClrSearchError
            If it is not, or no longer, known.
        """
        with self._lock:
            alone = len(self._known) == 1
            change = self._known.pop(token or "", None)
        if change is None:
            raise ClrSearchError("This can no longer be undone.", "Change the labels back by hand.")
        return change, alone

    def _held(self) -> int:
        """Return the number of labels that are held."""
        return sum(len(change.before) for change in self._known.values())
