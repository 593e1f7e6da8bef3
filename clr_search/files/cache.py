"""The folder in which programs of one user keep what can be made again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder in which this user's programs keep what can be made again.

    It is `CLR_SEARCH_CACHE`, or a folder `clr-search` where the system has such folders: the XDG
    base directories, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows.

    Examples
    --------
    >>> cache_folder().is_absolute()
    True
    """
    given = os.environ.get("CLR_SEARCH_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "clr-search"
