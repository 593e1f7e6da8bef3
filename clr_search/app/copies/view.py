"""What the Copies tab shows of a search: a value for the session, and its HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape

from clr_search.analysis.copies import Copy, Duplicates, Group
from clr_search.app import fragments
from clr_search.app.copies.review import Remark
from clr_search.app.visit import Hit
from clr_search.index import Item

MOST_GROUPS, MOST_COPIES = 50, 12
"""Most groups, and most pictures of a group, that are shown; `clr-search duplicates` has all."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of a group: its tile, a line about it, and the remark on it alone, if any."""

    hit: Hit
    detail: str
    remark: int | None


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A group: its heading, its pictures, and the position of the remark on all of it."""

    heading: str
    pictures: tuple[Shown, ...]
    remark: int


@dataclass(frozen=True, slots=True)
class View:
    """What the tab shows.

    Attributes
    ----------
    groups : tuple of ShownGroup
        The groups, which name their remarks by position.
    remarks : tuple of Remark
        All that may be said.
    """

    groups: tuple[ShownGroup, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @classmethod
    def of(cls, found: Duplicates, draw: Callable[[Sequence[Item]], Sequence[Hit]]) -> View:
        """Return the first groups of a search, with the tiles that `draw` returns."""
        groups: list[ShownGroup] = []
        remarks: list[Remark] = []
        for number, group in enumerate(found.groups[:MOST_GROUPS], start=1):
            copies = group.copies[:MOST_COPIES]
            hits = draw([copy.item for copy in copies])
            ids = tuple(copy.item.id for copy in group.copies)
            whole = len(remarks)
            remarks.append(Remark(ids))
            pictures = []
            for copy, hit in zip(copies, hits, strict=True):
                alone = None if len(ids) < 3 else len(remarks)
                if alone is not None:
                    others = tuple(other for other in ids if other != copy.item.id)
                    remarks.append(Remark((copy.item.id,), others))
                pictures.append(Shown(hit, _detail(copy), alone))
            groups.append(ShownGroup(_heading(number, group), tuple(pictures), whole))
        return cls(tuple(groups), tuple(remarks))

    def saying(self, position: int, remark: Remark) -> View:
        """Return the view with one of its remarks replaced."""
        remarks = (*self.remarks[:position], remark, *self.remarks[position + 1 :])
        return replace(self, remarks=remarks)

    def html(self) -> str:
        """Return the groups, with a button for each remark that names its position."""
        return "".join(self._group(group) for group in self.groups)

    def _group(self, group: ShownGroup) -> str:
        """Return the HTML of a group."""
        tiles = "".join(self._picture(shown) for shown in group.pictures)
        return (
            f'<section class="clr-card"><h2>{escape(group.heading)}</h2>'
            f'<ul class="clr-grid" role="list">{tiles}</ul>'
            f"{self._button(group.remark, 'Not copies, or keep all')}</section>"
        )

    def _picture(self, shown: Shown) -> str:
        """Return the HTML of a picture of a group."""
        hit = shown.hit
        image = fragments.picture(hit)
        button = "" if shown.remark is None else self._button(shown.remark, "Not a copy")
        return (
            f'<li><div class="clr-tile" title="{escape(hit.relative)}">{image}'
            f'<span class="clr-caption"><span class="clr-name">{escape(hit.name)}</span>'
            f'<span class="clr-facts">{escape(shown.detail)}</span></span></div>{button}</li>'
        )

    def _button(self, position: int, text: str) -> str:
        """Return the button of a remark, which takes it back once it is remembered."""
        said = self.remarks[position].is_remembered
        return (
            f'<button type="button" class="clr-say" data-index="{position}" '
            f'aria-pressed="{str(said).lower()}">'
            f"{'Remembered: take it back' if said else escape(text)}</button>"
        )


def summary(found: Duplicates) -> str:
    """Return in words how many groups there are, and what is in none.

    Examples
    --------
    >>> summary(Duplicates((), None, None, 3, gone=2))
    'No copies among 3 images. 2 files are gone. Nothing is deleted here.'
    """
    could_go = sum(group.could_go for group in found.groups)
    count = len(found.groups)
    among = fragments.images_count(found.pictures)
    groups = f"{count:,} group{'' if count == 1 else 's'} of copies among {among}"
    said = [f"{groups}; {could_go:,} could go." if count else f"No copies among {among}."]
    if count > MOST_GROUPS:
        said.append(f"The first {MOST_GROUPS} are shown; clr-search duplicates has all.")
    for number, what in (
        (found.gone, "gone"),
        (found.unread, "not readable, or not as indexed"),
        (found.unjudged, "too even to be judged"),
    ):
        if number:
            verb = "is" if number == 1 else "are"
            said.append(f"{fragments.files_count(number)} {verb} {what}.")
    if found.dismissed:
        said.append(f"Dismissed earlier: {found.dismissed:,}.")
    return " ".join([*said, "Nothing is deleted here."])


def _heading(number: int, group: Group) -> str:
    """Return the heading of a group."""
    files = fragments.files_count(len(group.copies))
    more = len(group.copies) - MOST_COPIES
    rest = f", {MOST_COPIES} of them shown" if more > 0 else ""
    return f"{number}. {files}{', the same' if group.exact else ''}{rest}"


def _detail(copy: Copy) -> str:
    """Return the line about a picture of a group."""
    item = copy.item
    size = f"{item.width} × {item.height}, {fragments.size(item.size)}"
    why = f" ({copy.why or copy.turn})" if copy.why or copy.turn else ""
    return f"{'keep: ' if copy.keep else ''}{size}{why}"
