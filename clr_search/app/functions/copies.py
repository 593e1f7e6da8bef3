"""Questions of the Copies tab: groups of copies, what differs in them, and what people say."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clr_search.app.functions.carried import Answer
from clr_search.app.functions.search import day
from clr_search.app.library.asked import Asked
from clr_search.app.library.copies import CopySearch, Found, said_of
from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    from clr_search.analysis.copies import Copy, Duplicates, Group
    from clr_search.app.library.library import Library
    from clr_search.app.library.permissions import Permissions
    from clr_search.index import Item
    from clr_search.index.catalog.dismissals import Pair

MOST_GROUPS = 40
"""Largest number of groups in one answer."""

MOST_COPIES = 48
"""Largest number of pictures of a group that are shown; the list of what could go has all."""

MOST_PLACE = 10**7
"""Largest place of a group that is asked for."""

KINDS = ("all", "same", "alike")
"""Groups that are shown: all, those of the same file, and those of similar pictures."""

ORDERS = ("most", "room", "name")
"""Orders of groups: by the number of pictures, by what could be freed, and by path."""

_KEPT = 4096  # pictures of which is kept what differs


class Copies:
    """The questions of the tab.

    Parameters
    ----------
    library : Library
        The collection.
    permissions : Permissions
        What visitors may do.
    search : CopySearch
        The search, which all visitors share.
    """

    def __init__(self, library: Library, permissions: Permissions, search: CopySearch) -> None:
        self._library, self._permissions, self._search = library, permissions, search
        self._lock = threading.Lock()
        self._facts: OrderedDict[tuple[int, int, int], Answer] = OrderedDict()

    def copies(self, _: Asked) -> Answer:
        """Return how far the search is, and what was found."""
        doing, error, found = self._search.doing(), self._search.error(), self._search.found()
        return {
            "doing": None if doing is None else asdict(doing),
            "failed": None if error is None else {"what": error.what, "remedy": error.remedy},
            "found": None if found is None else self._summary(found),
        }

    def copies_begin(self, asked: Asked) -> Answer:
        """Begin the search, and return how far it is."""
        self._search.begin()
        return self.copies(asked)

    def copies_stop(self, asked: Asked) -> Answer:
        """End the search that is going on."""
        self._search.stop()
        return self.copies(asked)

    def copies_groups(self, asked: Asked) -> Answer:
        """Return some of the groups that were found, from `offset` on."""
        found = self._search.of(asked.count("search", 0, 2**53, 0))
        kind, order = asked.choice("kind", KINDS), asked.choice("order", ORDERS)
        offset = asked.count("offset", 0, MOST_PLACE, 0)
        count = asked.count("count", 0, MOST_GROUPS, 20)
        places = ordered(found.duplicates.groups, kind, order)
        dismissed = self._search.dismissed()
        groups = found.duplicates.groups
        shown = [(place, groups[place]) for place in places[offset : offset + count]]
        return {
            "total": len(places),
            "groups": [self._group(place, group, dismissed) for place, group in shown],
        }

    def copies_facts(self, asked: Asked) -> Answer:
        """Return what each picture of a group is: format, EXIF, colours, how sharp it is."""
        number, place = _place(asked)
        group = self._search.group(number, place)
        return {"facts": [self._facts_of(copy.item) for copy in group.copies[:MOST_COPIES]]}

    def copies_say(self, asked: Asked) -> Answer:
        """Remember that a group has no copies, or one picture of it is none; or forget it again."""
        self._permissions.require("write")
        number, place = _place(asked)
        item = asked.item() if asked.flag("one") else None
        self._search.remember(number, place, item, undo=asked.flag("undo"))
        group = self._search.group(number, place)
        return {"group": self._group(place, group, self._search.dismissed())}

    def _summary(self, found: Found) -> Answer:
        """Return what is said of a whole search."""
        return {
            "search": found.number,
            "stale": self._search.is_stale(found),
            **numbers(found.duplicates),
        }

    def _group(self, place: int, group: Group, dismissed: frozenset[Pair]) -> Answer:
        """Return a group for the page."""
        said = said_of(group, dismissed)
        copies = group.copies[:MOST_COPIES]
        rows = self._library.rows([copy.item.id for copy in copies])
        return {
            "place": place,
            "count": len(group.copies),
            "exact": group.exact,
            "lowest": round(group.lowest, 4),
            "frees": group.bytes_beside,
            "said": len(said) == len(group.copies),
            "go": [copy.item.id for copy in group.copies if not copy.keep],
            "copies": [
                {**row, **_copy(copy), "said": copy.item.id in said}
                for row, copy in zip(rows, copies, strict=True)
            ],
        }

    def _facts_of(self, item: Item) -> Answer:
        """Return what a file is; where it cannot be read, why."""
        key = (item.id, item.mtime_ns, item.size)
        with self._lock:
            known = self._facts.get(key)
        if known is None:
            known = self._looked(item)
            with self._lock:
                self._facts[key] = known
                while len(self._facts) > _KEPT:
                    self._facts.popitem(last=False)
        return {"id": item.id, **known}

    def _looked(self, item: Item) -> Answer:
        """Look at a file."""
        from clr_search.analysis.comparison.differences import facts_of

        try:
            facts = facts_of(item, self._library.workers.load)
        except (ClrSearchError, OSError) as error:
            if item.is_missing():
                return {"unread": "the file is gone"}
            said = error.what if isinstance(error, ClrSearchError) else error.strerror
            return {"unread": f"cannot be read: {said}"}
        taken = facts.taken
        return {
            "kind": facts.kind,
            "lossless": facts.lossless,
            "exif": facts.exif,
            "taken": "" if taken is None else taken.strftime("%Y-%m-%d %H:%M"),
            "camera": facts.camera,
            "coloured": facts.coloured,
            "detail": round(facts.detail, 5),
        }


def ordered(groups: Sequence[Group], kind: str, order: str) -> list[int]:
    """Return the places of the groups of a kind, in an order; by number they are already."""
    places = [
        place
        for place, group in enumerate(groups)
        if kind == "all" or (kind == "same") == group.exact
    ]
    if order == "room":
        places.sort(key=lambda place: -groups[place].bytes_beside)
    elif order == "name":
        places.sort(key=lambda place: str(groups[place].copies[0].item.path).casefold())
    return places


def numbers(found: Duplicates) -> dict[str, Any]:
    """Return how many groups there are, what could go, and what is in no group."""
    groups = found.groups
    return {
        "pictures": found.pictures,
        "groups": len(groups),
        "same": sum(group.exact for group in groups),
        "could_go": sum(group.could_go for group in groups),
        "frees": sum(group.bytes_beside for group in groups),
        "gone": found.gone,
        "unread": found.unread,
        "unjudged": found.unjudged,
        "dismissed": found.dismissed,
        "expected": None if found.calibration is None else dict(found.calibration.found),
    }


def _copy(copy: Copy) -> Answer:
    """Return what is known of a picture without looking at its file."""
    return {
        "keep": copy.keep,
        "exact": copy.exact,
        "score": round(copy.score, 4),
        "bytes": copy.item.size,
        "changed": day(copy.item.mtime_ns),
        "why": copy.why,
        "turn": copy.turn,
    }


def _place(asked: Asked) -> tuple[int, int]:
    """Return the number of a search, and the place of a group in it."""
    return asked.count("search", 0, 2**53, 0), asked.count("place", 0, MOST_PLACE, 0)
