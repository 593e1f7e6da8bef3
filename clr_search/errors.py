"""Errors written for the person who reads them.

Every failure a user can meet is a `ClrSearchError`: what happened (and to which file), then what to
do next. The command line prints those two parts and exits with `exit_code`: 2 for wrong use, 1 for
a failure at work. Anything else that escapes is a bug in this package.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import ClassVar


class ClrSearchError(Exception):
    """A failure with a remedy.

    Parameters
    ----------
    what : str
        What happened, in one sentence, naming the file.
    remedy : str
        What to do next; empty where nothing can be done.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what} {remedy}".strip())


class UsageError(ClrSearchError):
    """Wrong use: a missing file, an impossible option, an output that exists."""

    exit_code = 2


class QueryError(UsageError):
    """A query that cannot be searched for, while others can be; `what` names it."""


class MissingExtraError(UsageError):
    """An optional dependency is not installed."""


class ImageError(ClrSearchError):
    """Bytes that are not a usable picture; `what` is the reason shown in lists of skipped files."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it.

    Parameters
    ----------
    module : str
        Module to import, such as ``"torch"``.
    extra : str
        The extra of this package that installs it, such as ``"train"``.

    Raises
    ------
    MissingExtraError
        If the module is not installed. A module that is installed but broken raises its own
        ImportError, since installing it again would not help.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"This needs {module}, which is not installed.",
            f"Install it with: pip install 'clr-search[{extra}]'",
        ) from error
