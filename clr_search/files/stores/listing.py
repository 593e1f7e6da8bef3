"""Listing the objects below a prefix, a thousand a request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clr_search.errors import ClrSearchError, require
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.failures import StoreError, failure_of, unlisted
from clr_search.files.stores.opening import store_of
from clr_search.files.stores.reading import status_of

if TYPE_CHECKING:
    from obstore import ObjectMeta

UNREADABLE = "its key has an empty part, a part of dots, or a control character: rename it"
"""Why an object cannot be read: the client library takes only keys that are paths."""


def listed(prefix: ObjectPath) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield the keys of all objects below a prefix, each with its size and time.

    An object whose key the client library cannot read comes without size and time. A key may come
    twice.

    Raises
    ------
    StoreError
        If the bucket does not exist, may not be listed, or the store does not answer; then the list
        is not complete.
    """
    store_of(prefix)  # what it needs is told before anything is imported of it
    from obstore.exceptions import InvalidPathError

    bucket = f"{prefix.scheme}://{prefix.bucket}"
    try:
        for told in _by_client(prefix):
            yield told["path"], status_of(f"{bucket}/{told['path']}", told)
    except InvalidPathError as error:  # one such key ends the list of the client library
        if prefix.scheme != "s3":
            raise ClrSearchError(f"{prefix} has an object of which {UNREADABLE}.") from error
        for told in _by_boto(prefix):
            key = told["path"]
            yield key, status_of(f"{bucket}/{key}", told) if _is_readable(key) else None


def addresses(prefix: str) -> Iterator[str]:
    """Yield the addresses of all objects below a prefix; raises as `listed`."""
    path = ObjectPath(prefix)
    return (f"{path.scheme}://{path.bucket}/{key}" for key, _ in listed(path))


def is_prefix(prefix: ObjectPath) -> bool:
    """Whether there is any object below a prefix.

    Raises
    ------
    StoreError
        As `listed`.
    """
    store_of(prefix)
    from obstore.exceptions import InvalidPathError

    try:
        return next(_by_client(prefix), None) is not None
    except InvalidPathError:
        return True


def _by_client(prefix: ObjectPath) -> Iterator[ObjectMeta]:
    """Yield the objects below a prefix; raises InvalidPathError at a key that is no path."""
    store = store_of(prefix)
    import obstore
    from obstore.exceptions import BaseError, InvalidPathError

    stream = obstore.list(store, prefix=prefix.key or None, chunk_size=1000)
    try:
        for part in stream:
            yield from part
    except InvalidPathError:
        raise
    except (BaseError, FileNotFoundError) as error:
        raise _refused(error, prefix) from None


def _refused(error: Exception, prefix: ObjectPath) -> StoreError:
    """Return the error of a list that failed."""
    failure = failure_of(error, prefix)
    return failure if isinstance(failure, StoreError) else unlisted(prefix)


def _by_boto(prefix: ObjectPath) -> Iterator[ObjectMeta]:
    """Yield all objects below a prefix of S3, whatever their keys, by Amazon's own library."""
    boto3 = require("boto3", "stores")
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    unsigned = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in {"1", "true", "yes", "on"}
    config = Config(signature_version=UNSIGNED) if unsigned else Config()
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    request = {"Bucket": prefix.bucket, "Prefix": f"{prefix.key}/" if prefix.key else ""}
    try:
        client: Any = boto3.client("s3", region_name=region, config=config)
        for page in client.get_paginator("list_objects_v2").paginate(**request):
            for told in page.get("Contents", ()):
                yield {
                    "path": told["Key"],
                    "size": told["Size"],
                    "last_modified": told["LastModified"],
                    "e_tag": told.get("ETag"),
                    "version": None,
                }
    except (BotoCoreError, ClientError) as error:
        raise StoreError(
            f"The list of {prefix} cannot be read ({type(error).__name__})",
            "Run the same command again when the store answers.",
        ) from None


def _is_readable(key: str) -> bool:
    r"""Whether the client library can read an object of this key.

    Examples
    --------
    >>> [_is_readable(key) for key in ("a b/ü.jpg", "a//b.jpg", "a/../b.jpg", "a\n.jpg")]
    [True, False, False, False]
    """
    plain = all(letter >= " " and letter != "\x7f" for letter in key)
    return plain and not any(part in ("", ".", "..") for part in key.split("/"))
