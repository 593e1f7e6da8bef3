"""Questions of the Search tab, which other tabs ask, too: pictures in their order, and one."""

from __future__ import annotations

import random
import time
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from clr_search.app.functions.carried import Answer
from clr_search.app.library.asked import MOST_ROWS, Asked, Search, Term
from clr_search.app.library.listings import MOST_FOUND
from clr_search.errors import ClrSearchError
from clr_search.files.stores.address import ObjectPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clr_search.app.library.library import Library
    from clr_search.app.library.permissions import Permissions
    from clr_search.index import Index, Item

MAX_SURVEYED = 200_000
"""Largest number of pictures for which the folders are listed; else a person types a folder."""

_MOST_NAMED = 2000  # folders and labels that the page offers


class Searching:
    """The questions of the tab.

    Parameters
    ----------
    library : Library
        The collection.
    permissions : Permissions
        What visitors may see and do.
    """

    def __init__(self, library: Library, permissions: Permissions) -> None:
        self._library, self._permissions = library, permissions
        self._random = random.Random()  # noqa: S311 -- chooses pictures, guards nothing

    def find(self, asked: Asked) -> Answer:
        """Return the rows of a search from `offset` on, and how many there are."""
        search = Search.of(asked.part("search"))
        offset = asked.count("offset", 0, 2**53, 0)
        count = asked.count("count", 0, MOST_ROWS, 48)
        began = time.perf_counter()
        listing = self._library.listing(search, offset + count)
        seconds = time.perf_counter() - began
        part = slice(offset, offset + count)
        return {
            "total": listing.total,
            "capped": bool(search.terms) and listing.total == MOST_FOUND,
            "all": len(self._library),
            "seconds": round(seconds, 5),
            "rows": self._library.rows(
                listing.ids[part].tolist(), listing.scores[part], listing.shares[part]
            ),
        }

    def rows(self, asked: Asked) -> Answer:
        """Return the rows of some pictures, in the order of their ids given."""
        return {"rows": self._library.rows(asked.items(most=MOST_ROWS))}

    def terms(self, asked: Asked) -> Answer:
        """Return what the page shows of the pictures of a query; of those that are gone, why."""
        return {"terms": [self._term(Term.of(part)) for part in asked.parts("terms", 32)]}

    def item(self, asked: Asked) -> Answer:
        """Return all about a picture."""
        item = self._library.item(asked.item())
        with self._library.reading() as index:
            values = {
                name: index.values([item.id], name).get(item.id)
                for name in index.kinds()
                if name not in {"path", "label", "width", "height", "bytes"}
            }
        return {
            **self._library.rows([item.id])[0],
            "file": str(
                item.path
            ),  # Clients of Gradio take what is called a path for a file to fetch.
            "bytes": item.size,
            "changed": day(item.mtime_ns),
            "columns": {name: value for name, value in values.items() if value is not None},
        }

    def chance(self, asked: Asked) -> Answer:
        """Return the id of a random picture that passes the filter."""
        ids = self._library.listing(Search(filter=Search.of(asked.part("search")).filter)).ids
        if not len(ids):
            raise ClrSearchError("No picture matches these filters.", "Choose others.")
        return {"id": int(self._random.choice(ids))}

    def offers(self, _: Asked) -> Answer:
        """Return what there is to filter by: labels, folders, columns; and what visitors may do."""
        offered: Answer = self._library.derived("offers", _offers)
        return {**offered, "may": self._permissions.as_json()}

    def reveal(self, asked: Asked) -> Answer:
        """Show a picture in the file manager of this machine."""
        self._permissions.require("reveal")
        item = self._library.item(asked.item())
        reveal(item.path)
        return {"shown": item.path.name}

    def _term(self, term: Term) -> Answer:
        """Return the row of a picture of a query."""
        if term.upload is None:
            return self._library.rows([term.item or 0])[0]
        try:
            upload = self._library.uploads.get(term.upload)
        except ClrSearchError as error:
            return {"upload": term.upload, "gone": error.what}
        return {
            "upload": upload.token,
            "name": upload.name,
            "w": upload.width,
            "h": upload.height,
        }


def _offers(index: Index) -> Answer:
    """Return labels, folders and columns of a collection, each with what a person may type."""
    ids = index.ids() if len(index) else []
    labels = sorted({label for label in index.labels() if label})
    folders: list[str] = []
    if len(ids) <= MAX_SURVEYED:
        folders = _folders(list(index.known_items(ids).values()))
    return {
        "labels": labels[:_MOST_NAMED],
        "folders": [] if set(folders) <= set(labels) else folders[:_MOST_NAMED],
        "columns": [{"name": name, "kind": kind} for name, kind in index.kinds().items()],
        "all": len(ids),
    }


def _folders(items: Sequence[Item]) -> list[str]:
    """Return the folders to filter by: the roots, if there are several, and all below them."""
    roots = {str(item.root) for item in items}
    folders = {PurePosixPath(item.relative).parent for item in items}
    below = {str(folder) for inner in folders for folder in (inner, *inner.parents)}
    below.discard(".")
    return (sorted(roots) if len(roots) > 1 else []) + sorted(below)


def day(mtime_ns: int) -> str:
    """Return a time of a file for people; empty where calendars do not reach."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def reveal(path: Path) -> None:
    """Open the folder of a file in the file manager of this machine, the file chosen if it can.

    Raises
    ------
    ClrSearchError
        If the file is gone, or there is no file manager.
    """
    import shutil
    import subprocess
    import sys

    if isinstance(path, ObjectPath):
        raise ClrSearchError(f"{path} is in an object store, which no file manager shows.")
    if not path.exists():
        raise ClrSearchError(f"{path.name} is gone.", "Run clr-search build-index again.")
    command: list[str]
    if sys.platform == "darwin":
        command = ["/usr/bin/open", "-R", str(path)]
    elif sys.platform == "win32":
        command = ["explorer.exe", f"/select,{path}"]
    else:
        command = [shutil.which("xdg-open") or "", str(path.parent)]
    if not command[0]:
        raise ClrSearchError("There is no file manager here.", f"The file is {path}.")
    try:
        # The words are a fixed program and a path of the collection; no shell reads them.
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise ClrSearchError("There is no file manager here.", f"The file is {path}.") from error
