"""Copies of pictures in a collection: the same bytes, and nearly the same vector."""

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
"""Pictures that are copied to choose a threshold."""

_LIKE = 20  # rank of the neighbour taken for one that is like, but no copy: copies come before it
_DETAIL = 4  # copies are made of pictures decoded to at least so many times the encoder's side


@dataclass(frozen=True, slots=True)
class Copy:
    """A member of a group.

    Attributes
    ----------
    item : Item
        The picture.
    keep : bool
        Whether it is the one proposed to be kept.
    exact : bool
        Whether its file has the very bytes of the one to be kept.
    score : float
        Cosine to the one to be kept.
    frees : int
        Bytes that go with it: 0 of the one to be kept, of a symbolic link, and of a further name of
        a file that is in the group already.
    """

    item: Item
    keep: bool
    exact: bool
    score: float
    frees: int


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one picture: the one to be kept first, then by falling score.

    Attributes
    ----------
    copies : tuple of Copy
        Two or more.
    lowest : float
        Least cosine of any two.
    """

    copies: tuple[Copy, ...]
    lowest: float

    @property
    def exact(self) -> bool:
        """Whether all files have the same bytes."""
        return all(copy.exact for copy in self.copies)

    @property
    def bytes_beside(self) -> int:
        """Size of all files but the one to be kept, each once, whatever names it has."""
        return sum(copy.frees for copy in self.copies)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What `find_duplicates` found.

    Attributes
    ----------
    groups : tuple of Group
        The largest first.
    threshold : float or None
        Least cosine of near-duplicates; None where only exact ones were asked for.
    calibration : Calibration or None
        Where the threshold was chosen here.
    pictures : int
        How many were compared.
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

    Files of the same content are one picture to begin with. Those whose vectors reach the threshold
    with all others of their group are near-duplicates, if they also lie alike (see `aligned`).
    One file under several names, by links or mounts, is no copy of itself.

    Parameters
    ----------
    index : Index
        The collection; nothing in it is changed.
    exact : bool
        Only files of the same content.
    threshold : float, optional
        Least cosine, in (0, 1], which then decides alone. If not given, it is chosen from copies of
        the collection's own pictures, and only pictures that lie alike as well are copies.
    under : str, optional
        Only pictures below this folder.
    seed : int
        Seed of the choice of pictures that are copied.
    reporter : Reporter, optional
        Progress.

    Raises
    ------
    UsageError
        If the threshold is out of range, no picture lies `under` that folder, or a threshold must
        be chosen and no picture can be read.
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
        near = {content for group in linked for content in group}
        linked += [[c] for c, p in enumerate(contents) if len(p) > 1 and c not in near]
        made = [_group(index, ids, unique, contents, group) for group in linked]
        groups = [group for group in made if group is not None]
    groups.sort(key=lambda group: (-len(group.copies), group.copies[0].item.path))
    return Duplicates(tuple(groups), None if exact else threshold, calibration, len(ids))


def _contents(sha256: Sequence[str]) -> list[list[int]]:
    """Positions of the items of each content, in the order of their first."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for position, content in enumerate(sha256):
        members[content].append(position)
    return list(members.values())


class _Pictures:
    """Files of some items by their positions, decoded when asked for.

    Parameters
    ----------
    index : Reader
        Inside its snapshot.
    ids : int64 array
        Ids of the items.
    reporter : Reporter
        Progress.
    """

    def __init__(self, index: Reader, ids: NDArray[np.int64], reporter: Reporter) -> None:
        self.index, self.reporter = index, reporter
        self._ids = ids
        self._side = _DETAIL * index.encoder.image_size

    def paths(self, positions: Sequence[int]) -> list[Path]:
        """Their files."""
        return [item.path for item in self.index.items(self._ids[list(positions)].tolist())]

    def pixels(self, path: Path) -> Pixels | None:
        """A file, decoded; None where it cannot be read now."""
        try:
            return images.load(path, at_least=self._side).pixels
        except ImageError:
            return None

    def sketches(self, positions: Sequence[int]) -> dict[int, Sketch]:
        """Sketches of those that can be read."""
        found = {}
        with self.reporter.task("Comparing candidates", len(positions), "images"):
            for position, path in zip(positions, self.paths(positions), strict=True):
                pixels = self.pixels(path)
                if pixels is not None:
                    found[position] = Sketch(pixels)
                self.reporter.advance()
        return found


def _reaching(rows: NDArray[np.float32], threshold: float) -> list[list[int]]:
    """Groups of which every two have at least this cosine."""
    pairs, _ = near_pairs(rows, threshold)
    return complete_groups(pairs, lambda first, second: all_reach(rows, first, second, threshold))


def _linked(
    pictures: _Pictures, rows: NDArray[np.float32], thresholds: Calibration
) -> list[list[int]]:
    """Groups joined by pairs of a picture with its copy, of which every two could be two copies.

    Where a file cannot be read, vectors alone decide.
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
    chance = np.random.default_rng(seed)
    chosen = np.sort(chance.choice(len(rows), min(SAMPLE, len(rows)), replace=False))
    rank = min(_LIKE, len(rows) // 2)
    like = [int(np.argpartition(-(rows @ rows[at]), rank)[rank]) for at in chosen]

    def pixels(path: Path) -> Pixels | None:
        pictures.reporter.advance()
        return pictures.pixels(path)

    sample = list(zip(pictures.paths(chosen.tolist()), rows[chosen], strict=True))
    with pictures.reporter.task("Choosing a threshold by copies", 2 * len(sample), "images"):
        found = calibrate(pixels, pictures.index.encoder.encode, sample, pictures.paths(like))
    if found is None:
        raise UsageError(
            f"None of {len(sample)} pictures of {pictures.index.path} can be read, from which to "
            "choose a threshold.",
            "Bring their files back, or give --threshold, such as 0.95, or --exact.",
        )
    return found


def _group(
    index: Reader,
    ids: NDArray[np.int64],
    unique: NDArray[np.float32],
    contents: list[list[int]],
    members: list[int],
) -> Group | None:
    """Makes a group of contents; None where all of them are one file."""
    numbers = {int(ids[p]): content for content in members for p in contents[content]}
    files = [_File.of(item) for item in index.items(list(numbers))]
    best = min(files, key=_File.worth)
    files = [best] + [file for file in files if file.identity != best.identity]
    if len(files) == 1:
        return None
    kept = numbers[best.item.id]
    scores = {content: float(unique[content] @ unique[kept]) for content in members}
    copies, counted = [], {best.identity}
    for file in sorted(files, key=_File.worth):  # before a link to it comes the file
        content = numbers[file.item.id]
        again = file.link or file.identity in counted
        copies.append(
            Copy(
                file.item,
                keep=file is best,
                exact=content == kept,
                score=1.0 if content == kept else min(1.0, scores[content]),
                frees=0 if again else file.item.size,
            )
        )
        counted.add(file.identity)
    copies.sort(key=lambda copy: (not copy.keep, -copy.score, copy.item.path))
    left = sorted({numbers[file.item.id] for file in files})
    lowest = float((unique[left] @ unique[left].T).min()) if len(left) > 1 else 1.0
    return Group(tuple(copies), min(1.0, lowest))


@dataclass(frozen=True, slots=True)
class _File:
    """What lies at the path of an item now; a file that is gone is one of its own."""

    item: Item
    identity: tuple[int, int] | str
    link: bool

    @classmethod
    def of(cls, item: Item) -> _File:
        path = str(item.path)
        status = status_of(path)
        identity = path if status is None else (status.st_dev, status.st_ino)
        return cls(item, identity, item.path.is_symlink())

    def worth(self) -> tuple[int, int, bool, int, str]:
        """Order in which copies are worth keeping: by pixels, bytes, age and path; links last."""
        item = self.item
        pixels = item.width * item.height
        return (-pixels, -item.size, self.link, item.mtime_ns, str(item.path))
