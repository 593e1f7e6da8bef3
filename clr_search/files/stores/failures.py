"""What failed of a request to a store: the object, or the store as a whole.

An object that is forbidden or gone is an error of the system, as of a file, and stops nothing. A
store that does not answer, or does not accept who asks, is a `StoreError`, which ends a run: all
other objects would fail in the same way. The texts of the client library, which may hold addresses
with tokens, are never repeated.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clr_search.errors import ClrSearchError, ImageError, UsageError

if TYPE_CHECKING:
    from clr_search.files.stores.address import ObjectPath

_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
}
_TO_LIST = {
    "s3": "s3:ListBucket",
    "gs": "storage.objects.list",
    "az": "Storage Blob Data Reader, or r and l of a SAS token",
}
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}

_REJECTED = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "AuthenticationFailed",
}
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")


class StoreError(ImageError, OSError):
    """A store as a whole cannot be read; whoever handles pictures or files can handle it.

    Parameters
    ----------
    what, remedy : str
        As of `ClrSearchError`; `what` is a reason, without a full stop.
    usage : bool
        Whether what was asked for is impossible, such as a bucket that does not exist.
    """

    def __init__(self, what: str, remedy: str = "", *, usage: bool = False) -> None:
        super().__init__(what, remedy)
        self.usage = usage


def missing_bucket(path: ObjectPath) -> StoreError:
    """Return the error of a bucket that does not exist."""
    return StoreError(
        f"There is no bucket {path.bucket}",
        "Check its spelling, and the region or the endpoint.",
        usage=True,
    )


def credentials_of(scheme: str) -> str:
    """Return what to do where a store does not accept who asks."""
    return (
        f"The credentials are read from the environment, such as {_CREDENTIALS[scheme]}: see "
        "docs/object-stores.md."
    )


def unlisted(path: ObjectPath) -> StoreError:
    """Return the error of a prefix of which the list is forbidden."""
    return StoreError(
        f"The store does not let {path} be listed",
        f"Whoever asks needs the permission to list ({_TO_LIST[path.scheme]}), and to read.",
    )


def is_unsure(error: Exception) -> bool:
    """Whether an error may be that of one object, or of the store: neither has said."""
    return not isinstance(error, FileNotFoundError | PermissionError) and _refusal(error) is None


def failure_of(error: Exception, path: ObjectPath) -> OSError:
    """Return an error of the client library as one of an object, or as a `StoreError`."""
    text, name = str(error), str(path)
    code = _first(_CODE, text)
    if code in _NO_BUCKET:
        return missing_bucket(path)
    if any(host in text for host in _METADATA):
        return StoreError(
            f"There are no credentials for the store of {name}", credentials_of(path.scheme)
        )
    kind = _refusal(error)
    if kind == "credentials":
        return StoreError(
            f"The store of {name} does not accept the credentials ({code or 'rejected'})",
            credentials_of(path.scheme),
        )
    if kind == "forbidden":
        return PermissionError(errno.EACCES, "the store forbids it", name)
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "the object does not exist", name)
    if kind == "changed":
        return OSError(errno.EIO, "it was changed while it was read", name)
    return StoreError(
        f"The store of {name} does not answer{_how(text)}",
        "Check the endpoint and the network; the same command goes on when it answers again.",
    )


def _refusal(error: Exception) -> str | None:
    """Return what a store has refused by a clear answer; None where the answer is not clear."""
    text, kind = str(error), type(error).__name__
    if _first(_CODE, text) in _REJECTED or kind == "UnauthenticatedError":
        return "credentials"
    if kind == "PermissionDeniedError" or _first(_STATUS, text) in ("401", "403"):
        return "forbidden"
    return "changed" if kind == "PreconditionError" else None


def _how(text: str) -> str:
    """Return how a store fails, in brackets, of the parts of a message that hold nothing secret."""
    status, code = _first(_STATUS, text), _first(_CODE, text)
    if status:
        return f" (HTTP status {status}{f', {code}' if code else ''})"
    lowered = text.lower()
    for words in ("connection refused", "dns error", "timed out", "certificate", "broken pipe"):
        if words in lowered:
            return f" ({words})"
    return ""


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    """Return the first group of a pattern in a text, if it is there."""
    found = pattern.search(text)
    return found[1] if found else None


@contextmanager
def told_whole() -> Iterator[None]:
    """Turn a `StoreError` inside the block, a reason, into an error with whole sentences."""
    try:
        yield
    except StoreError as error:
        kind = UsageError if error.usage else ClrSearchError
        raise kind(f"{error.what}.", error.remedy) from error
