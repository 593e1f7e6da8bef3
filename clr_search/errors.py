"""The errors of this package, written for the person who reads them.

Every failure that a user can meet is a `ClrSearchError`. It says what happened (and to which file),
then what to do next. The command line prints these two parts and exits with `exit_code`: 2 for
wrong use, 1 for a failure during the work. Any other exception that escapes is a bug.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import ClassVar


class ClrSearchError(Exception):
    """A failure, with a remedy where there is one.

    Parameters
    ----------
    what : str
        One sentence on what happened, which names the file.
    remedy : str
        One sentence on what to do next; empty where nothing can be done.

    Examples
    --------
    >>> str(ClrSearchError("There is no file a.csv.", "Check the spelling."))
    'There is no file a.csv. Check the spelling.'
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what} {remedy}".strip())


class UsageError(ClrSearchError):
    """The user asked for something impossible: a missing file, a bad option, an existing output."""

    exit_code = 2


class QueryError(UsageError):
    """One query cannot be searched for, though others can be; `what` names it."""


class MissingExtraError(UsageError):
    """An optional dependency is not installed."""


class ImageError(ClrSearchError):
    """Bytes are not a usable picture; `what` is the reason that lists of skipped files show."""


def shortened(text: str, most: int = 100) -> str:
    """Return a text that a message quotes, cut at `most` characters.

    Examples
    --------
    >>> shortened("a" * 60_000_000, 8)
    'aaaaaaa…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def reason_of(error: Exception, most: int = 200) -> str:
    r"""Return why another library failed: the first line of its error, or the name of the error.

    Examples
    --------
    >>> reason_of(ValueError("no such network\nat line 1")), reason_of(KeyError())
    ('no such network', 'KeyError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0][:most]


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra installs it.

    Parameters
    ----------
    module : str
        Module to import, such as ``"torch"``.
    extra : str
        The extra of this package that installs it, such as ``"train"``.

    Returns
    -------
    ModuleType
        The imported module.

    Raises
    ------
    MissingExtraError
        If the module is not installed. A module that is installed but broken raises its own
        ImportError, since installing it again would not help.

    Examples
    --------
    >>> require("json", "train").dumps([1])
    '[1]'
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
