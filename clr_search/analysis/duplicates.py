"""Copies of pictures in a collection: files of the same bytes, and near-duplicates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.analysis.copy_thresholds import Calibration, Pixels, calibrate
from clr_search.analysis.grouping import all_reach, complete_groups, near_pairs
from clr_search.analysis.overlay import Alike, Sketch
from clr_search.errors import ImageError, UsageError
from clr_search.index.catalog.records import Item
from clr_search.index.search.reader import Reader
from clr_search.index.sync.survey import status_of
from clr_search.progress import Reporter, Silent

SAMPLE = 200
"""Number of pictures that are copied to choose a threshold: enough for its lowest 2 %."""

_LIKE = 20  # rank of the neighbour that is taken to be like, but no copy: copies rank before it
_DETAIL = 4  # pictures to copy are decoded to at least this many times the side of the encoder


@dataclass(frozen=True, slots=True)
class Copy:
    """One picture of a group of copies.

    Attributes
    ----------
    item : Item
        The picture.
    keep : bool
        Whether this is the picture proposed to be kept.
    exact : bool
        Whether its file has the same bytes as the one to be kept.
    score : float
        Cosine to the picture to be kept, in [-1, 1].
    frees : int
        Bytes that deleting the file frees: 0 for the picture to be kept, for a symbolic link, and
        for another name (hard link) of a file that the group has already.
    """

    item: Item
    keep: bool
    exact: bool
    score: float
    frees: int


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one picture: the one to be kept comes first, the others by falling score.

    Attributes
    ----------
    copies : tuple of Copy
        The pictures, at least two.
    lowest : float
        Least cosine of any two of them, in [-1, 1].
    """

    copies: tuple[Copy, ...]
    lowest: float

    @property
    def exact(self) -> bool:
        """Whether all files have the same bytes."""
        return all(copy.exact for copy in self.copies)

    @property
    def bytes_beside(self) -> int:
        """Size in bytes of all files but the one to be kept; hard links of a file count once."""
        return sum(copy.frees for copy in self.copies)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The groups of copies in a collection, and the threshold that made them.

    Attributes
    ----------
    groups : tuple of Group
        The groups, the largest first.
    threshold : float or None
        Least cosine of near-duplicates; None if only exact copies were searched for.
    calibration : Calibration or None
        The measurement that the threshold was chosen by; None if it was given.
    pictures : int
        The number of pictures that were compared.
    """

    groups: tuple[Group, ...]
    threshold: float | None
    calibration: Calibration | None
    pictures: int


def find_duplicates(
    index: Reader,
    *,
    exact: bool = False,
    threshold: float | None = None,
    under: str | None = None,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> Duplicates:
    """Find pictures that are copies of each other.

    Files of the same content are exact copies. Pictures whose cosine reaches the threshold with all
    others of their group are near-duplicates, if their brightness also agrees
    (`overlay.correlation`). A file under several names, by links or mounts, is no copy of itself.

    Parameters
    ----------
    index : Index
        The collection; nothing in it is changed.
    exact : bool
        Whether to search for files of the same content only.
    threshold : float, optional
        Least cosine, in (0, 1], which then decides alone. If not given, it is measured on copies
        that are made of the collection's own pictures, and the brightness has to agree as well.
    under : str, optional
        Only pictures below this folder.
    seed : int
        Seed of the draw of the pictures that are copied.
    reporter : Reporter, optional
        The reporter that shows the progress; none if not given.

    Returns
    -------
    Duplicates
        The groups of copies, each with the picture that is proposed to be kept.

    Raises
    ------
    UsageError
        If the threshold is out of range, no picture lies below the folder, or a threshold must be
        measured and no picture can be read.

    Examples
    --------
    ::

        for group in find_duplicates(index).groups:
            print([str(copy.item.path) for copy in group.copies], group.lowest)
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise UsageError(f"The threshold is {threshold:g}.", "Choose a cosine above 0, up to 1.")
    reporter = reporter or Silent()
    with index.snapshot():
        ids, rows = index.vectors(under=under)
        sha256 = index.contents()
        contents = _contents([sha256[number] for number in ids.tolist()])
        first = np.asarray([positions[0] for positions in contents], dtype=np.int64)
        unique = rows[first]
        calibration = None
        linked: list[list[int]] = []
        if not exact and len(unique) > 1:
            if threshold is None:
                pictures = _Pictures(index, ids[first], reporter)
                calibration = _calibrated(pictures, unique, seed)
                threshold = calibration.cosine
                linked = _linked(pictures, unique, calibration)
            else:
                linked = _reaching(unique, threshold)
        near_duplicates = {content for group in linked for content in group}
        linked += [[c] for c, p in enumerate(contents) if len(p) > 1 and c not in near_duplicates]
        candidates = [_group(index, ids, unique, contents, group) for group in linked]
        groups = [group for group in candidates if group is not None]
    groups.sort(key=lambda group: (-len(group.copies), group.copies[0].item.path))
    return Duplicates(tuple(groups), None if exact else threshold, calibration, len(ids))


def _contents(sha256: Sequence[str]) -> list[list[int]]:
    """Returns the positions of the items of each content, ordered by the first of them."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for position, content in enumerate(sha256):
        members[content].append(position)
    return list(members.values())


class _Pictures:
    """The files of some items, by their positions, decoded on demand.

    Parameters
    ----------
    index : Reader
        The collection, inside its `snapshot`.
    ids : int64 array
        Ids of the items.
    reporter : Reporter
        The reporter that shows the progress.
    """

    def __init__(self, index: Reader, ids: NDArray[np.int64], reporter: Reporter) -> None:
        self.index, self.reporter = index, reporter
        self._ids = ids
        self._side = _DETAIL * index.encoder.image_size

    def paths(self, positions: Sequence[int]) -> list[Path]:
        """Returns the paths of the files."""
        return [item.path for item in self.index.items(self._ids[list(positions)].tolist())]

    def pixels(self, path: Path) -> Pixels | None:
        """Returns a decoded file, uint8 (h, w, 3), or None if it cannot be read now."""
        try:
            return images.load(path, at_least=self._side).pixels
        except ImageError:
            return None

    def sketches(self, positions: Sequence[int]) -> dict[int, Sketch]:
        """Returns the sketches of the files that can be read, by position."""
        sketch_at = {}
        with self.reporter.task("Comparing candidates", len(positions), "images"):
            for position, path in zip(positions, self.paths(positions), strict=True):
                pixels = self.pixels(path)
                if pixels is not None:
                    sketch_at[position] = Sketch(pixels)
                self.reporter.advance()
        return sketch_at


def _reaching(rows: NDArray[np.float32], threshold: float) -> list[list[int]]:
    """Returns groups in which every two pictures have at least this cosine."""
    pairs, _ = near_pairs(rows, threshold)
    return complete_groups(pairs, lambda first, second: all_reach(rows, first, second, threshold))


def _linked(
    pictures: _Pictures, rows: NDArray[np.float32], thresholds: Calibration
) -> list[list[int]]:
    """Returns groups that are joined by pairs of a picture and its copy.

    Every two pictures of a group reach the thresholds of two copies of one picture. If a file
    cannot be read, the vectors alone decide.
    """
    pairs, _ = near_pairs(rows, thresholds.cosine)
    alike = Alike(pictures.sketches(np.unique(pairs).tolist()))
    passed = [alike.pair(one, other) >= thresholds.correlation for one, other in pairs.tolist()]
    return complete_groups(
        pairs[np.asarray(passed, dtype=bool)],
        lambda first, second: (
            all_reach(rows, first, second, thresholds.cosine_between)
            and alike.all_reach(first, second, thresholds.correlation_between)
        ),
    )


def _calibrated(pictures: _Pictures, rows: NDArray[np.float32], seed: int) -> Calibration:
    """Chooses thresholds by copying a random sample of the pictures."""
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(len(rows), min(SAMPLE, len(rows)), replace=False))
    rank = min(_LIKE, len(rows) // 2)
    like = [int(np.argpartition(-(rows @ rows[position]), rank)[rank]) for position in chosen]

    def pixels(path: Path) -> Pixels | None:
        pictures.reporter.advance()
        return pictures.pixels(path)

    sample = list(zip(pictures.paths(chosen.tolist()), rows[chosen], strict=True))
    with pictures.reporter.task("Choosing a threshold by copies", 2 * len(sample), "images"):
        calibration = calibrate(pixels, pictures.index.encoder.encode, sample, pictures.paths(like))
    if calibration is None:
        raise UsageError(
            f"None of {len(sample)} pictures of {pictures.index.path} can be read, from which to "
            "choose a threshold.",
            "Bring their files back, or give --threshold, such as 0.95, or --exact.",
        )
    return calibration


def _group(
    index: Reader,
    ids: NDArray[np.int64],
    unique: NDArray[np.float32],
    contents: list[list[int]],
    members: list[int],
) -> Group | None:
    """Returns the group of some contents, or None if all their paths are names of one file."""
    numbers = {int(ids[p]): content for content in members for p in contents[content]}
    files = [_File.of(item) for item in index.items(list(numbers))]
    best = min(files, key=_File.worth)
    files = [best] + [file for file in files if file.identity != best.identity]
    if len(files) == 1:
        return None
    kept_content = numbers[best.item.id]
    scores = {content: float(unique[content] @ unique[kept_content]) for content in members}
    copies, counted = [], {best.identity}
    for file in sorted(files, key=_File.worth):  # a file comes before the links to it
        content = numbers[file.item.id]
        frees_nothing = file.link or file.identity in counted
        copies.append(
            Copy(
                file.item,
                keep=file is best,
                exact=content == kept_content,
                score=1.0 if content == kept_content else min(1.0, scores[content]),
                frees=0 if frees_nothing else file.item.size,
            )
        )
        counted.add(file.identity)
    copies.sort(key=lambda copy: (not copy.keep, -copy.score, copy.item.path))
    remaining = sorted({numbers[file.item.id] for file in files})
    lowest = float((unique[remaining] @ unique[remaining].T).min()) if len(remaining) > 1 else 1.0
    return Group(tuple(copies), min(1.0, lowest))


@dataclass(frozen=True, slots=True)
class _File:
    """The file at the path of an item; its identity is the same for all names of one file."""

    item: Item
    identity: tuple[int, int] | str
    link: bool

    @classmethod
    def of(cls, item: Item) -> _File:
        """Looks at the path of an item; a file that is gone has an identity of its own."""
        path = str(item.path)
        status = status_of(path)
        identity = path if status is None else (status.st_dev, status.st_ino)
        return cls(item, identity, item.path.is_symlink())

    def worth(self) -> tuple[int, int, bool, int, str]:
        """Returns a sort key, the file to be kept first: by pixels, bytes, links, age, path."""
        item = self.item
        pixels = item.width * item.height
        return (-pixels, -item.size, self.link, item.mtime_ns, str(item.path))
