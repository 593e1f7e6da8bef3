"""`Ledger`: what actors have begun, and not finished, since one of them may die of a file."""

from __future__ import annotations

from collections import Counter

FATAL = "the process that embeds dies of it"
"""Why a file is skipped that was begun `TRIES` times on its own, and finished by no actor."""

TRIES = 2


class Ledger:
    """Counts how often each part, and each file on its own, was begun and not finished.

    It is an actor, too, in a process of its own beside the driver, so that it outlives the others.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.begin("a.jpg"), ledger.begin("a.jpg")
    (0, 1)
    >>> ledger.finish("a.jpg")
    >>> ledger.begin("a.jpg")
    0
    """

    def __init__(self) -> None:
        self._begun: Counter[str | int] = Counter()

    def begin(self, what: str | int) -> int:
        """Note that something is begun; returns how often it was before, and not finished."""
        self._begun[what] += 1
        return self._begun[what] - 1

    def finish(self, what: str | int) -> None:
        """Note that it is finished."""
        del self._begun[what]
