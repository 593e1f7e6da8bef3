"""Opening stores: one client a bucket, configured by the environment as their own tools are.

For ``s3://`` that is AWS_ACCESS_KEY_ID and its like, AWS_PROFILE and the files of the AWS command
line, the role of the machine, and AWS_ENDPOINT_URL for other stores than Amazon's; for ``gs://``
GOOGLE_APPLICATION_CREDENTIALS; for ``az://`` AZURE_STORAGE_ACCOUNT_NAME with its key or token.
Nothing of it is ever stored or printed.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clr_search.errors import UsageError, require
from clr_search.files.stores.failures import StoreError, credentials_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from clr_search.files.stores.address import ObjectPath

PATIENCE = "CLR_SEARCH_STORE_PATIENCE"
"""Variable of the environment: for how many seconds a request that fails is made again."""

_HURRIED = 5  # seconds for a connection, and for what somebody waits for
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_TRUE = {"1", "true", "yes", "on"}


def store_of(path: ObjectPath, *, hurried: bool = False) -> ObjectStore:
    """Return the client of the bucket of a path; each is opened once.

    Parameters
    ----------
    path : ObjectPath
        The path.
    hurried : bool
        Whether somebody waits for the answer, so that a request is soon given up.

    Raises
    ------
    StoreError
        If the extra ``stores`` is not installed, or the environment asks for what is not possible,
        such as a profile that does not exist.
    """
    try:
        return _opened(path.scheme, path.bucket, _environment(), hurried)
    except UsageError as error:
        raise StoreError(error.what.rstrip("."), error.remedy, usage=True) from error


def _environment() -> tuple[tuple[str, str], ...]:
    """Return the variables that configure stores: other ones open another client."""
    prefixes = ("AWS_", "GOOGLE_", "AZURE_", "AZURITE_", "CLR_SEARCH_STORE_")
    return tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(prefixes)))


@lru_cache(maxsize=64)
def _opened(
    scheme: str, bucket: str, environment: tuple[tuple[str, str], ...], hurried: bool
) -> ObjectStore:
    """Return a new client; the environment is the key of the cache, and read by the client."""
    require("obstore", "stores")
    from obstore import store as stores
    from obstore.exceptions import BaseError

    options: dict[str, Any] = {
        "client_options": {
            "timeout": _patience(_HURRIED) if hurried else timedelta(seconds=60),
            "connect_timeout": _patience(_HURRIED),
            "allow_http": _allows_http(scheme, dict(environment)),
        },
        "retry_config": {
            "max_retries": 10,
            "retry_timeout": _patience(_HURRIED if hurried else 30),
        },
    }
    kinds = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}
    if scheme == "s3":
        _refuse_plain_http(dict(environment))
        if _has_profile(dict(environment)):
            options["credential_provider"] = _profile()
    try:
        opened: ObjectStore = kinds[scheme](bucket, **options)
    except (BaseError, OSError, ValueError):  # whose text may hold what is secret
        raise UsageError(
            f"What the environment says of {scheme}:// cannot be used.", credentials_of(scheme)
        ) from None
    return opened


def _patience(most: int) -> timedelta:
    """Return how long a request is tried, `most` seconds unless the environment says otherwise."""
    given = os.environ.get(PATIENCE)
    try:
        seconds = float(most if given is None else given)
        if not 0 < seconds < 86400:
            raise ValueError(seconds)
    except ValueError as error:
        raise UsageError(f"{PATIENCE} is {given!r}.", "It is a number of seconds.") from error
    return timedelta(seconds=seconds if most > _HURRIED else min(seconds, most))


def _allows_http(scheme: str, environment: dict[str, str]) -> bool:
    """Whether a store may be reached without TLS; given options hide this variable to a client."""
    name = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}[scheme] + "_ALLOW_HTTP"
    return environment.get(name, "").lower() in _TRUE


def _refuse_plain_http(environment: dict[str, str]) -> None:
    """Refuse an address without TLS, unless it is asked for as the AWS clients want it."""
    for name in _ENDPOINTS:
        plain = environment.get(name, "").lower().startswith("http://")
        if plain and not _allows_http("s3", environment):
            raise UsageError(
                f"{name} is an address without TLS (http://): what is sent there can be read.",
                "Give one with https://, or for a machine that you trust set AWS_ALLOW_HTTP=true.",
            )


def _has_profile(environment: dict[str, str]) -> bool:
    """Whether the credentials are to come from the files of the AWS command line."""
    if environment.get("AWS_PROFILE"):
        return True
    if environment.get("AWS_ACCESS_KEY_ID") or "AWS_SKIP_SIGNATURE" in environment:
        return False
    named = environment.get("AWS_SHARED_CREDENTIALS_FILE"), environment.get("AWS_CONFIG_FILE")
    home = os.path.expanduser("~/.aws")  # noqa: PTH111 -- `Path.home` raises where there is none
    files = [name for name in named if name] or [f"{home}/credentials", f"{home}/config"]
    return any(map(os.path.isfile, files))


def _profile() -> Any:
    """Return what reads the credentials of a profile, and renews them, by Amazon's own library."""
    require("boto3", "stores")
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider()
    except (BotoCoreError, ValueError) as error:
        raise UsageError(
            f"The profile of AWS cannot be used: {error}".rstrip(".") + ".",
            "Look at AWS_PROFILE and the files in ~/.aws, or give AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY.",
        ) from error
