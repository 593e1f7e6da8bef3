"""The Copies tab: search for copies, look through their groups, and say which are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import gradio as gr

from clr_search.app import fragments
from clr_search.app.components import fragment
from clr_search.app.copies.review import Review
from clr_search.app.copies.view import View, summary
from clr_search.app.explorer import Explorer
from clr_search.app.search_tab import place_of
from clr_search.errors import ClrSearchError

INVITATION = (
    "Pictures that are copies of each other, compared by their pixels. In a large collection this "
    "takes minutes."
)

Changes: TypeAlias = dict[Any, Any]
"""The components that a handler changes, with their new values."""


class CopiesTab:
    """The components of the tab, with the handlers of its events.

    Parameters
    ----------
    explorer : Explorer
        The collection, for the tiles.
    review : Review
        The same collection, for its copies.
    """

    def __init__(self, explorer: Explorer, review: Review) -> None:
        self._explorer, self._review = explorer, review
        self.view = gr.State(View())
        self.button = gr.Button("Find copies", elem_id="clr-copies-find", size="md", scale=0)
        self.status = fragment(fragments.note(INVITATION), elem_id="clr-copies-status")
        self.groups = fragment("", elem_id="clr-copies", js_on_load=fragments.PICK_ON_CLICK)
        settings: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        outputs = [self.view, self.status, self.groups, self.button]
        self.button.click(self.on_find, [], outputs, **settings)
        # One after the other: each opens the collection for writing.
        self.groups.pick(self.on_say, [self.view], outputs, concurrency_limit=1, **settings)

    def on_find(self) -> Iterator[Changes]:
        """Search for copies, and show the groups."""
        yield {
            self.status: fragments.note("Looking for copies …"),
            self.button: gr.update(interactive=False),
        }
        try:
            found = self._review.find()
            view = View.of(found, lambda items: self._explorer.hits(items))
        except ClrSearchError as error:
            yield {**self._say(error), self.button: gr.update(interactive=True)}
            return
        yield {
            self.status: fragments.note(summary(found)),
            **self._show(view),
            self.button: gr.update(interactive=True),
        }

    def on_say(self, view: View, event: gr.EventData) -> Changes:
        """Remember the remark that the event names by its position, or take it back."""
        position = place_of(event, len(view.remarks))
        if position is None:
            return {}
        try:
            remark = self._review.remember(view.remarks[position])
        except ClrSearchError as error:
            return self._say(error)
        said = "Remembered" if remark.is_remembered else "Forgotten"
        note = f"{said} in the collection: these are no copies of each other, or all to be kept."
        return {self.status: fragments.note(note), **self._show(view.saying(position, remark))}

    def _show(self, view: View) -> Changes:
        """Show the groups."""
        return {self.view: view, self.groups: view.html()}

    def _say(self, error: ClrSearchError) -> Changes:
        """Show a failure, and leave the groups as they are."""
        return {self.status: fragments.problem(error.what, error.remedy)}
