"""The search for copies in a collection: files of the same bytes, and near-duplicates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search import images
from clr_search.analysis.candidates import Pixels, candidates, looks
from clr_search.analysis.comparison.detail import Detail
from clr_search.analysis.comparison.judgement import Finding
from clr_search.analysis.copies import Copy, Duplicates, Group
from clr_search.analysis.copy_thresholds import Calibration, calibrate
from clr_search.analysis.keepers import Keep, Traits, rank, traits_of, why_kept_too
from clr_search.analysis.living import LivingFile
from clr_search.analysis.verification import Comparisons, Proof
from clr_search.errors import ImageError, UsageError
from clr_search.index.catalog.records import Item
from clr_search.index.search.reader import Reader
from clr_search.progress import Reporter, Silent

SAMPLE = 48
"""Number of pictures that are copied to choose where to search: enough for their lowest 2 %."""

_DETAIL = 512  # pictures are decoded to at least this many pixels a side
_MORE = 0.04  # share of a picture outside of the one to be kept, from which it shows more

_TURNS = {
    Image.Transpose.FLIP_LEFT_RIGHT: "mirrored",
    Image.Transpose.FLIP_TOP_BOTTOM: "mirrored and turned by 180°",
    Image.Transpose.ROTATE_90: "turned by 90°",
    Image.Transpose.ROTATE_180: "turned by 180°",
    Image.Transpose.ROTATE_270: "turned by 270°",
    Image.Transpose.TRANSPOSE: "mirrored and turned by 90°",
    Image.Transpose.TRANSVERSE: "mirrored and turned by 270°",
}


def find_duplicates(
    index: Reader,
    *,
    exact: bool = False,
    threshold: float | None = None,
    under: str | None = None,
    keep: Sequence[Keep] = (),
    dismissed: bool = False,
    seed: int = 0,
    load: images.Load = images.load,
    reporter: Reporter | None = None,
) -> Duplicates:
    """Find pictures that are copies of each other.

    Files of the same content are exact copies. Near-duplicates are pictures whose pixels, laid over
    each other, show the same in every small part; where the vectors are alike, or a few pixels,
    this is looked at. A file that is gone, cannot be read or has changed since it was indexed is in
    no group, and neither is a pair that could not be compared pixel by pixel. A file under several
    names, by links or mounts, is no copy of itself.

    Parameters
    ----------
    index : Index
        The collection; nothing in it is changed.
    exact : bool
        Whether to search for files of the same content only.
    threshold : float, optional
        Least cosine of candidates, in (0, 1]. If not given, it is measured on copies that are made
        of the collection's own pictures.
    under : str, optional
        Only pictures below this folder.
    keep : sequence of Keep
        Rules on which copy is to be kept, the first decides first. Where none decides: colour
        before grey, camera before export, EXIF before none, more pixels, more bytes, the older.
    dismissed : bool
        Whether to show also what was dismissed.
    seed : int
        Seed of the draw of the pictures that are copied.
    load : callable
        Decodes the files; a `DecodingWorkers.load` does so in processes of their own.
    reporter : Reporter, optional
        The reporter that shows the progress; none if not given.

    Returns
    -------
    Duplicates
        The groups of copies, each with the picture that is proposed to be kept.

    Raises
    ------
    UsageError
        If the threshold is out of range, or no picture lies below the folder; and if neither
        `exact` nor a threshold is given for a collection without an encoder.

    Examples
    --------
    ::

        for group in find_duplicates(index).groups:
            print([str(copy.item.path) for copy in group.copies], group.lowest)
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise UsageError(f"The threshold is {threshold:g}.", "Choose a cosine above 0, up to 1.")
    if not exact and threshold is None:
        index.require_encoder()  # which copies are embedded by, after all pictures were decoded
    with index.snapshot():
        ids, rows = index.vectors(under=under)
        items = index.items(ids.tolist())
        memory = frozenset() if dismissed else index.dismissed()
        search = _Search(items, rows, tuple(keep), memory, load, reporter or Silent())
        if not exact:
            search.compare(index, threshold, seed)
    return search.result(None if exact else threshold).confirmed()


class _Search:
    """A search for copies among the files that exist, by the positions of their contents.

    Parameters
    ----------
    items : sequence of Item
        The pictures.
    rows : float32 array, shape (N, D)
        Their unit vectors.
    rules : tuple of Keep
        What is to be kept.
    memory : frozenset of tuple of str
        Pairs of SHA-256 that were dismissed, the lesser first.
    load : callable
        Decodes the files.
    reporter : Reporter
        The reporter that shows the progress.
    """

    def __init__(
        self,
        items: Sequence[Item],
        rows: NDArray[np.float32],
        rules: tuple[Keep, ...],
        memory: frozenset[tuple[str, str]],
        load: images.Load,
        reporter: Reporter,
    ) -> None:
        members: defaultdict[str, list[LivingFile]] = defaultdict(list)
        vectors: dict[str, NDArray[np.float32]] = {}
        living = [(LivingFile.of(item), row) for item, row in zip(items, rows, strict=True)]
        for file, row in living:
            if file is not None:
                members[file.item.sha256].append(file)
                vectors.setdefault(file.item.sha256, row)
        self._pictures, self._gone = len(items), sum(file is None for file, _ in living)
        self._contents = list(members)
        self._files = list(members.values())
        self._rows = np.asarray(list(vectors.values()), np.float32)
        self._rules, self._memory, self._load, self._reporter = rules, memory, load, reporter
        self._coloured: dict[int, bool] = {}
        self._near: list[tuple[int, dict[int, Proof]]] = []
        self._calibration: Calibration | None = None
        self._threshold: float | None = None
        self._unread = self._unjudged = 0
        self._dismissed: set[tuple[int, int]] = set()

    def compare(self, index: Reader, threshold: float | None, seed: int) -> None:
        """Compares the pictures by their pixels."""
        self._threshold = threshold
        if len(self._contents) < 2:
            return
        with self._reporter.task("Looking at pictures", len(self._contents), "images"):
            looked = looks(self._decoded, len(self._contents), self._reporter.advance)
        self._unread += len(self._contents) - len(looked)
        self._unjudged = sum(not look.judgeable for look in looked.values())
        if threshold is None:
            self._calibrate(index, [p for p, look in looked.items() if look.judgeable], seed)
        if self._threshold is None:
            return
        pairs = candidates(self._rows, looked, self._threshold)
        comparisons = Comparisons(self._decoded, looked, self._is_dismissed)
        with self._reporter.task("Comparing candidates", len(pairs), "pairs"):
            linked = comparisons.linked(pairs, self._reporter.advance)
        for group in linked:
            self._near += comparisons.around(group, self._best)
        self._dismissed |= comparisons.dismissed

    def _calibrate(self, index: Reader, usable: list[int], seed: int) -> None:
        """Chooses where to search by copying a random sample of the pictures."""
        generator = np.random.default_rng(seed)
        chosen = generator.permutation(usable)[:SAMPLE].tolist()
        sample = []
        with self._reporter.task("Choosing a threshold by copies", len(chosen), "images"):
            for position in sorted(chosen):
                pixels = self._decoded(position)
                if pixels is not None:
                    sample.append((pixels, self._rows[position]))
                self._reporter.advance()
        if sample:
            self._calibration = calibrate(index.encoder.encode, sample)
            self._threshold = self._calibration.cosine

    def _decoded(self, position: int) -> Pixels | None:
        """Returns a decoded picture, uint8 (h, w, 3), or None if it cannot be read now."""
        for file in self._files[position]:
            try:
                return self._load(file.item.path, at_least=_DETAIL).pixels
            except ImageError:
                continue
        return None

    def _is_dismissed(self, one: int, other: int) -> bool:
        """Whether a person has dismissed a pair of contents."""
        first, second = sorted((self._contents[one], self._contents[other]))
        return (first, second) in self._memory

    def _traits(self, position: int, file: LivingFile) -> Traits:
        """Returns what a file is worth beside its size."""
        if position not in self._coloured:
            pixels = self._decoded(position)
            self._coloured[position] = pixels is None or Detail(pixels).coloured
        return traits_of(file.item.path, coloured=self._coloured[position])

    def _best_file(self, position: int) -> LivingFile:
        """Returns the file of a content that is to be kept."""
        files = self._files[position]
        traits = self._traits(position, files[0])
        return min(files, key=lambda file: rank(file, traits, self._rules))

    def _best(self, positions: list[int]) -> int:
        """Returns which of some contents is to be kept."""

        def key(position: int) -> tuple[object, ...]:
            file = self._best_file(position)
            return rank(file, self._traits(position, file), self._rules)

        return min(positions, key=key)

    def result(self, threshold: float | None) -> Duplicates:
        """Returns the groups, the largest first."""
        grouped = {p for kept, proofs in self._near for p in (kept, *proofs)}
        alone: list[tuple[int, dict[int, Proof]]] = [
            (p, {}) for p in range(len(self._files)) if p not in grouped and self._several(p)
        ]
        found = (self._group(kept, proofs) for kept, proofs in [*self._near, *alone])
        groups = [group for group in found if group is not None]
        groups.sort(key=lambda group: (-len(group.copies), group.copies[0].item.path))
        return Duplicates(
            tuple(groups),
            threshold if threshold is not None else self._threshold,
            self._calibration,
            self._pictures,
            self._gone,
            self._unread,
            self._unjudged,
            len(self._dismissed),
        )

    def _several(self, position: int) -> bool:
        """Whether a content lies in several files, which were not dismissed."""
        if len({file.identity for file in self._files[position]}) < 2:
            return False
        if self._is_dismissed(position, position):
            self._dismissed.add((position, position))
            return False
        return True

    def _group(self, kept: int, proofs: dict[int, Proof]) -> Group | None:
        """Returns the group of a content and its copies, or None if all are names of one file."""
        best = self._best_file(kept)
        seen = {best.identity}
        copies = [Copy(best.item, keep=True, exact=True, score=1.0, frees=0)]
        for position in (kept, *proofs):
            score = min(1.0, float(self._rows[kept] @ self._rows[position]))
            why = self._why(kept, position, proofs.get(position))
            keeps_all = self._is_dismissed(position, position)
            kept_too = best.identity
            for file in self._ranked(position):
                if file.identity in (best.identity, kept_too):
                    continue
                keep = bool(why) or keeps_all
                frees = 0 if keep or file.link or file.identity in seen else file.item.size
                seen.add(file.identity)
                turn = proofs[position].turn if position in proofs else None
                said = "" if turn is None else _TURNS[turn]
                copies.append(Copy(file.item, keep, position == kept, score, frees, why, said))
                if why and not keeps_all:  # further files of this content have a copy that is kept
                    kept_too, why = file.identity, ""
        if len(copies) == 1:
            return None
        copies[1:] = sorted(copies[1:], key=lambda copy: (-copy.score, copy.item.path))
        return Group(tuple(copies), min(copy.score for copy in copies))

    def _ranked(self, position: int) -> list[LivingFile]:
        """Returns the files of a content, the best first and files before links to them."""
        traits = self._traits(position, self._files[position][0])
        return sorted(self._files[position], key=lambda f: (f.link, rank(f, traits, self._rules)))

    def _why(self, kept: int, position: int, proof: Proof | None) -> str:
        """Returns why a copy is to be kept, too; empty if the one to be kept is not worse."""
        if proof is None:
            return ""
        if proof.turn is not None:
            return _TURNS[proof.turn]
        if not proof.direct:
            return "it is a copy of another of these only"
        if proof.verdict.finding is Finding.OVERLAID:
            return "something is written over one of the two"
        if proof.verdict.finding is Finding.UNREAD:
            return "they cannot be told apart: one letter or digit may be another"
        if proof.verdict.second_alone > _MORE:
            return "it shows more"
        if self._rules:
            return ""
        best, file = self._best_file(kept), self._best_file(position)
        return why_kept_too(best, self._traits(kept, best), file, self._traits(position, file))
