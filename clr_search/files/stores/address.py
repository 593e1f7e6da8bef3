"""`ObjectPath`: the address of an object in a store, such as ``s3://bucket/roses/1.jpg``."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clr_search.errors import UsageError

if sys.platform == "win32":
    from pathlib import WindowsPath as _Local
else:
    from pathlib import PosixPath as _Local

if TYPE_CHECKING:
    from typing import Self

SCHEMES = ("s3://", "gs://", "az://")
"""How addresses begin: Amazon S3 and all that speak its protocol, Google Cloud Storage, Azure."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


def is_address(path: str) -> bool:
    """Whether a path is the address of an object, or of a prefix, in a store.

    Examples
    --------
    >>> is_address("s3://photos/a.jpg"), is_address("/photos/a.jpg")
    (True, False)
    """
    return path.startswith(SCHEMES)


class ObjectPath(_Local):
    """The address of an object, or of a prefix, in a store; no request is made for having one.

    It is a `Path` so that what only shows, compares and joins paths takes it as any other. Its
    methods that look at a file ask the store. Functions of `os` do not know it: its `fspath` is its
    address, which is the name of no file.

    Examples
    --------
    >>> path = ObjectPath("s3://photos/roses") / "1.jpg"
    >>> str(path), path.bucket, path.key, path.name
    ('s3://photos/roses/1.jpg', 'photos', 'roses/1.jpg', '1.jpg')
    """

    @property
    def scheme(self) -> str:
        """How the store is spoken to: ``"s3"``, ``"gs"`` or ``"az"``."""
        return self.parts[0].removesuffix(":")

    @property
    def bucket(self) -> str:
        """Name of the bucket, or of the container of Azure."""
        return self.parts[1]

    @property
    def key(self) -> str:
        """Name of the object in its bucket; empty for the bucket itself."""
        return "/".join(self.parts[2:])

    def __str__(self) -> str:
        first, *rest = self.parts or ("",)
        # What `relative_to` returns is no address any more, though of this type.
        return f"{first}//{'/'.join(rest)}" if f"{first}//" in SCHEMES else super().__str__()

    def __fspath__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[type[ObjectPath], tuple[str]]:
        return type(self), (str(self),)

    def as_posix(self) -> str:
        """Return the address."""
        return str(self)

    def is_absolute(self) -> bool:
        """An address is the same in every folder."""
        return True

    def absolute(self) -> Self:
        """Return the address as it is."""
        return self

    def resolve(self, strict: bool = False) -> Self:
        """Return the address as it is: stores have no links."""
        return self

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return size and time of the object, as `reading.status_of` has them.

        Raises
        ------
        OSError
            If it does not exist, may not be looked at, or the store does not answer.
        """
        from clr_search.files.stores.reading import status

        return status(self)

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is an object of this key, or any below it as a prefix."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Whether there is an object of this key, which may be looked at."""
        if not self.key:
            return False
        try:
            self.stat()
        except (FileNotFoundError, PermissionError):
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is an object below this prefix."""
        from clr_search.files.stores.listing import is_prefix

        return is_prefix(self)

    def open(self, mode: str = "r", *_: Any, **__: Any) -> Any:
        """Open the object for reading bytes, by ranges.

        Raises
        ------
        OSError
            As `stat`, and also later while it is read.
        """
        from clr_search.files.stores.reading import ObjectFile

        if mode != "rb":
            raise io.UnsupportedOperation(f"{self} can only be opened for reading bytes")
        return io.BufferedReader(ObjectFile(self), 2**20)

    def read_bytes(self) -> bytes:
        """Return the bytes of the object, of any size."""
        with self.open("rb") as file:
            data: bytes = file.read()
        return data


def located(path: Path | str) -> Path:
    """Return a path as it is looked at: an `ObjectPath` for the address of an object.

    Raises
    ------
    UsageError
        If it begins as an address, but names no bucket. The message does not repeat it, since it
        may hold a password.

    Examples
    --------
    >>> type(located("gs://photos/a.jpg")).__name__, located("a.jpg").name
    ('ObjectPath', 'a.jpg')
    """
    text = path if isinstance(path, str) else str(path)
    if not text.startswith(SCHEMES):
        return Path(path)
    if isinstance(path, ObjectPath):
        return path
    scheme, _, rest = text.partition("://")
    if not _BUCKET.fullmatch(rest.partition("/")[0]):
        raise UsageError(
            f"An address that begins with {scheme}:// names no bucket after it.",
            f"Write {scheme}://BUCKET/PREFIX. Keys and passwords do not belong there; they are "
            "read from the environment.",
        )
    return ObjectPath(text)
