"""Which pictures of two collections are the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells whether two collections mean the same picture.

    Attributes
    ----------
    path : str
        Absolute path.
    sha256 : str
        SHA-256 of the content.
    has_file : bool
        Whether the hash is of a file; of vectors from elsewhere, there is none.
    """

    path: str
    sha256: str
    has_file: bool


def same_pictures(first: Sequence[Identity], second: Sequence[Identity]) -> list[tuple[int, int]]:
    """Return the pairs of positions at which two collections have the same picture.

    Pictures are the same by their content, wherever they lie; copies are paired by path first.
    Where one has no file whose content could tell, they are the same by path.

    Examples
    --------
    >>> a = [Identity("/a.jpg", "1", True), Identity("/b.jpg", "1", True)]
    >>> same_pictures(a, [Identity("/c.jpg", "2", True), Identity("/b.jpg", "1", True)])
    [(1, 1)]
    """
    pairs: list[tuple[int, int]] = []
    left, right = set(range(len(first))), set(range(len(second)))

    def join(key: Callable[[Identity], Hashable]) -> None:
        there: defaultdict[Hashable, list[int]] = defaultdict(list)
        for at in sorted(right, reverse=True):
            there[key(second[at])].append(at)
        for at in sorted(left):
            mates = there.get(key(first[at]))
            if mates:
                mate = mates.pop()
                pairs.append((at, mate))
                left.discard(at)
                right.discard(mate)

    join(lambda one: (one.path, one.sha256))
    join(lambda one: one.sha256)
    for side, pictures in ((left, first), (right, second)):
        with_file = {at for at in side if pictures[at].has_file}
        side -= with_file
        join(lambda one: one.path)
        side |= with_file
    return sorted(pairs)
