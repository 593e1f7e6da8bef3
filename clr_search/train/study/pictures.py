"""The labelled images that a study trains on and tests on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.files.finding.image_file import ImageFile
from clr_search.files.finding.left_out import LeftOut
from clr_search.files.finding.selection import DEFAULT, Selection
from clr_search.files.names import name_bytes
from clr_search.files.write import sha256_bytes
from clr_search.progress import Reporter, Silent
from clr_search.train.data.collection import Collection
from clr_search.train.data.decode import decode_collection

TESTED = 10_000
"""Most images to test on. A difference of two accuracies of about 40 %, measured on so many, has a
standard error of half a point; on 2,500 it would be a whole one."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Decoded images with labels.

    Attributes
    ----------
    train, test : Collection
        The images to train on, and the images to test on.
    """

    train: Collection
    test: Collection

    @property
    def sha256(self) -> str:
        """SHA-256 of which images these are, to train and to test on."""
        return sha256_bytes(f"{self.train.fingerprint} {self.test.fingerprint}".encode())


def find_pictures(
    images: Sequence[Path],
    test: Sequence[Path],
    *,
    limit: int,
    side: int,
    reporter: Reporter | None = None,
    selection: Selection = DEFAULT,
) -> Pictures:
    """Find and decode images, the same number of each class.

    Which images of a class are taken depends on the hashes of their names, as if by chance.

    Parameters
    ----------
    images : sequence of path
        What to train on: folders whose subfolders are classes, and files, of the class that their
        folder is called.
    test : sequence of path
        What to test on; if empty, a fifth of each class of `images` is used.
    limit : int
        Most images to train on; at most `TESTED` are tested on.
    side : int
        Side, in pixels, to which images are decoded.
    reporter : Reporter, optional
        Receives the progress, and what was left out.
    selection : Selection
        Which files of folders are taken.

    Raises
    ------
    UsageError
        If there are fewer than two classes, or a class has fewer than 5 images.
    """
    reporter = reporter or Silent()
    left_out = LeftOut()
    train_files = _by_class(find_images(images, left_out, selection))
    if test:
        test_files = _by_class(find_images(test, left_out, selection))
    else:
        test_files = {label: files[: len(files) // 5] for label, files in train_files.items()}
        train_files = {label: files[len(files) // 5 :] for label, files in train_files.items()}
    for line in left_out.told(options=True):
        reporter.message(line)
    if len(train_files) < 2 or set(train_files) != set(test_files):
        raise UsageError(
            "A study needs pictures in folders that are classes, at least two of them, the same "
            "ones to train and to test on.",
            "Sort pictures into one folder a class.",
        )
    if min(map(len, train_files.values())) < 4 or min(map(len, test_files.values())) < 1:
        raise UsageError("A study needs at least 5 pictures a class.", "Give more pictures.")
    chosen = (_balanced(train_files, limit), _balanced(test_files, TESTED))
    collections = [decode_collection(f, side, "memory", Path(), reporter) for f in chosen]
    return Pictures(*collections)


def _by_class(files: Sequence[ImageFile]) -> dict[str, list[ImageFile]]:
    """The files of each class, in the order of the hashes of their names."""
    members: defaultdict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        if file.class_name is not None:
            members[file.class_name].append(file)
    return {
        label: sorted(group, key=lambda file: sha256_bytes(name_bytes(file.relative)))
        for label, group in members.items()
    }


def _balanced(files: dict[str, list[ImageFile]], limit: int) -> list[ImageFile]:
    """The first files of each class, the same number of each, `limit` in all."""
    per_class = max(1, limit // len(files))
    return [file for label in sorted(files) for file in files[label][:per_class]]
