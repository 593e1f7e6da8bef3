"""Pairs of pictures compared by their pixels, and groups of copies of the one to be kept."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from PIL import Image

from clr_search.analysis.candidates import Candidate, Look, Pixels, turns_by_likeness
from clr_search.analysis.comparison.detail import Detail
from clr_search.analysis.comparison.judgement import Finding, Verdict, compare
from clr_search.analysis.comparison.overlay import placed

_ROUGHLY = 0.6
"""Least correlation of the sketches of two pictures that are compared in detail: copies with a text
over them reach it, and so do pages of one layout."""

_SIGN = 256
"""Longer side, in pixels, up to which a turned picture is another sign, such as an arrow."""

_HELD = 2**28
"""Bytes of decoded pictures in memory: 300 pages, or 100 photographs."""

_FAILED = 12
"""Comparisons after which a picture has no copy among those that are less alike. The likeliest are
compared first, so that a copy comes before hundreds of pages of its layout."""

_WITNESSES = 3
"""Copies that a picture is compared with, if the one to be kept is too unlike: a crop of the lower
left has little in common with one of the upper right."""

_TRIED = 2
"""Ways of turning that are tried for the picture to be kept and each copy: regular pictures look
the same in several."""

_UNKNOWN = Verdict(Finding.DIFFERENT)


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that a picture is a copy of another.

    Attributes
    ----------
    verdict : Verdict
        The result of comparing their pixels.
    turn : PIL Transpose or None
        How the copy is mirrored or turned; None for not at all.
    direct : bool
        Whether it was the picture to be kept that it was compared with, and not a copy of that.
    """

    verdict: Verdict
    turn: Image.Transpose | None
    direct: bool = True


class Comparisons:
    """Compares pictures of a collection by their pixels, decoding them when needed.

    Parameters
    ----------
    decode : callable
        Decodes the picture at a position to uint8 (h, w, 3); None if it cannot be read.
    looked : dict of int to Look
        What is known of the pictures that could be read.
    is_dismissed : callable
        Whether a person has said that two positions are no copies, or both to be kept.
    """

    def __init__(
        self,
        decode: Callable[[int], Pixels | None],
        looked: dict[int, Look],
        is_dismissed: Callable[[int, int], bool],
    ) -> None:
        self._decode, self._looked, self._is_dismissed = decode, looked, is_dismissed
        self._held: OrderedDict[int, Detail] = OrderedDict()  # those that were used last come last
        self._bytes = 0
        self.made = 0
        self.dismissed: set[tuple[int, int]] = set()

    def _detail(self, position: int) -> Detail | None:
        """Returns a picture for comparisons; None if it cannot be read any more."""
        if position not in self._held:
            pixels = self._decode(position)
            if pixels is None:
                return None
            self._held[position] = Detail(pixels)
            self._bytes += self._held[position].bytes_held
            while self._bytes > _HELD and len(self._held) > 2:
                self._bytes -= self._held.popitem(last=False)[1].bytes_held
        self._held.move_to_end(position)
        return self._held[position]

    def proof(
        self,
        one: int,
        other: int,
        turns: Iterable[Image.Transpose | None],
        *,
        reads: bool = False,
    ) -> Proof | None:
        """Returns what shows that the second is a copy of the first; None if nothing does.

        With `reads`, it is told of pages whether one other letter would have been seen.
        """
        for turn in turns:
            verdict = self._compared(one, other, turn, reads)
            if verdict.is_copy:
                return Proof(verdict, turn)
        return None

    def _compared(self, one: int, other: int, turn: Image.Transpose | None, reads: bool) -> Verdict:
        """Compares two pictures, the second turned."""
        first, second = self._looked.get(one), self._looked.get(other)
        if first is None or second is None or not (first.judgeable and second.judgeable):
            return _UNKNOWN
        start = placed(first.sketch, second.sketch, turn)
        if start.correlation < _ROUGHLY and not (first.hidden and second.hidden):
            return _UNKNOWN
        picture, copy = self._detail(one), self._detail(other)
        if picture is None or copy is None or (turn is not None and max(picture.size) <= _SIGN):
            return _UNKNOWN
        self.made += 1
        return compare(picture, copy.turned(turn), start, reads=reads)

    def linked(self, pairs: Iterable[Candidate], advance: Callable[[], None]) -> list[list[int]]:
        """Returns the positions that proven pairs join, directly or through others."""
        above: dict[int, int] = {}

        def top(position: int) -> int:
            while above.get(position, position) != position:
                position = above[position]
            return position

        failed: Counter[int] = Counter()
        for pair in self._likeliest_first(pairs, advance):
            advance()
            if min(failed[pair.first], failed[pair.second]) >= _FAILED:
                continue
            if self._is_dismissed(pair.first, pair.second):
                self.dismissed.add((pair.first, pair.second))
                continue
            ends = top(pair.first), top(pair.second)
            if ends[0] == ends[1]:
                continue
            before = self.made
            if self.proof(pair.first, pair.second, [pair.turn]):
                above[ends[1]] = ends[0]
            elif self.made > before:  # it looked so alike that the detail had to tell
                failed.update((pair.first, pair.second))
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for position in sorted({*above, *above.values()}):
            groups[top(position)].append(position)
        return list(groups.values())

    def _likeliest_first(
        self, pairs: Iterable[Candidate], advance: Callable[[], None]
    ) -> list[Candidate]:
        """Returns the pairs that look alike as they lie, those that do so most first.

        Among pages of one layout all vectors are alike, and only this tells the copy from others.
        Those that are left out advance the progress here.
        """
        scored = []
        for pair in pairs:
            one, other = self._looked[pair.first], self._looked[pair.second]
            score = placed(one.sketch, other.sketch, pair.turn).correlation
            if score >= _ROUGHLY or (one.hidden and other.hidden):
                scored.append((score, pair))
            else:
                advance()
        scored.sort(key=lambda one: -one[0])
        return [pair for _, pair in scored]

    def around(
        self, members: list[int], best: Callable[[list[int]], int]
    ) -> list[tuple[int, dict[int, Proof]]]:
        """Splits linked pictures into groups of one to be kept and proven copies of it.

        Parameters
        ----------
        members : list of int
            Positions that are linked.
        best : callable
            Returns which of some positions is to be kept.

        Returns
        -------
        list of (int, dict of int to Proof)
            The position to be kept, and the copies of it, at least one.
        """
        groups = []
        left = list(members)
        while len(left) > 1:
            kept = best(left)
            others = [position for position in left if position != kept]
            proofs = self._copies_of(kept, others, reads=True)
            for witness in list(proofs)[:_WITNESSES]:
                rest = [position for position in others if position not in proofs]
                rest = [position for position in rest if not self._is_dismissed(kept, position)]
                for other, proof in self._copies_of(witness, rest).items():
                    proofs[other] = replace(proof, direct=False)
            if proofs:
                groups.append((kept, proofs))
            left = [position for position in others if position not in proofs]
        return groups

    def _copies_of(self, kept: int, others: list[int], *, reads: bool = False) -> dict[int, Proof]:
        """Returns the proofs of those that are copies of one picture."""
        proofs = {}
        for other in others:
            if self._is_dismissed(kept, other):
                self.dismissed.add((min(kept, other), max(kept, other)))
                continue
            one, two = self._looked[kept].sketch, self._looked[other].sketch
            turns = dict.fromkeys([None, *turns_by_likeness(one, two)[:_TRIED]])
            proof = self.proof(kept, other, turns, reads=reads)
            if proof is not None:
                proofs[other] = proof
        return proofs
