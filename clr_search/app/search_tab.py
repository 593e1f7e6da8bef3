"""The Search tab: bring a picture or choose one, see its neighbours, go on from any of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr

from clr_search.app import fragments
from clr_search.app.components import fragment, picture_field, uploaded_file
from clr_search.app.explorer import Explorer
from clr_search.app.visit import Session, Subject
from clr_search.errors import ClrSearchError, ImageError
from clr_search.index.catalog.filters import Filter
from clr_search.index.search.query import Query

INVITATION = (
    "Search with a picture.",
    "Choose any picture on this page, or bring your own: drop it, paste it or take it.",
)

FEWEST, MOST, AT_FIRST = 4, 48, 12
"""Numbers of results to choose from."""

LIKENESS = [("Any", 0.0), *((f"Top {100 - p:g} % of pairs", p) for p in (90.0, 99.0, 99.9))]
"""Limits on what is shown, by the share of random pairs of the collection that are less alike."""

NOTHING_LIKE = "Nothing in the collection is so like this picture."

ALL_LABELS = "All labels"
ALL_FOLDERS = "Whole collection"

Upload: TypeAlias = dict[str, Any] | None
"""Unprocessed value of an upload field."""

Changes: TypeAlias = dict[Any, Any]
"""What a handler changes on the page: components and their new values."""


@dataclass(frozen=True, slots=True)
class Controls:
    """What is set above the results.

    Attributes
    ----------
    count : int
        Results.
    label, folder : str
        The part of the collection that is searched; empty for all of it.
    least : float
        Least percentile of a result; 0 shows everything.
    """

    count: int = AT_FIRST
    label: str = ""
    folder: str = ""
    least: float = 0.0

    @classmethod
    def sent(cls, count: object, label: object, folder: object, least: object = 0.0) -> Controls:
        """Controls from what a browser sent, whatever it sent."""
        wanted = AT_FIRST
        if isinstance(count, int | float) and not math.isnan(count):
            wanted = int(min(max(count, FEWEST), MOST))
        limit = float(least) if isinstance(least, int | float) and 0 <= least <= 100 else 0.0
        return cls(wanted, _text(label), _text(folder), limit)

    @property
    def filter(self) -> Filter:
        """The conditions on the results."""
        return Filter(label=self.label or None, under=self.folder or None)

    def query(self, subject: Subject) -> Query:
        """The query for a picture that is searched from."""
        return Query(
            picture=subject.square if subject.item is None else subject.item,
            k=self.count,
            filter=self.filter,
            min_percentile=self.least or None,
        )


class SearchTab:
    """Components of the tab and what happens on it.

    Every handler takes the session and the controls and returns what changes. A browser names
    pictures only by their place on the page; the session, which is kept here, knows their ids.

    Parameters
    ----------
    explorer : Explorer
        The collection.
    page : gradio.Blocks
        The page, in whose context the tab is made.
    """

    def __init__(self, explorer: Explorer, page: gr.Blocks) -> None:
        self._explorer = explorer
        self.session = gr.State(Session())
        with gr.Row(elem_classes="clr-columns"):
            with gr.Column(elem_classes="clr-side", scale=0, min_width=300):
                self._build_side()
            with gr.Column(elem_classes="clr-main", scale=1):
                self._build_main()
        self._connect(page)

    def _build_side(self) -> None:
        self.query = fragment(fragments.invitation(INVITATION), elem_id="clr-query")
        self.trail = fragment("", elem_id="clr-trail", js_on_load=fragments.PICK_ON_CLICK)
        with gr.Row(elem_classes="clr-buttons"):
            self.back_button = gr.Button("← Back", interactive=False, elem_id="clr-back", size="md")
            self.random_button = gr.Button("Random picture", elem_id="clr-random", size="md")
        self.upload = picture_field("Your picture", "clr-upload")

    def _build_main(self) -> None:
        labels, folders = self._explorer.labels(), self._explorer.folders()
        with gr.Row(elem_classes="clr-filters"):
            self.count = gr.Slider(
                FEWEST, MOST, AT_FIRST, step=1, label="Results", min_width=240, elem_id="clr-count"
            )
            self.label = gr.Dropdown(
                _choices(ALL_LABELS, labels),
                value="",
                label="Label",
                visible=labels != [],
                min_width=160,
                elem_id="clr-label",
            )
            self.folder = gr.Dropdown(
                _choices(ALL_FOLDERS, folders),
                value="",
                label="Folder",
                allow_custom_value=True,
                visible=folders != [],
                min_width=160,
                elem_id="clr-folder",
            )
            self.least = gr.Dropdown(
                LIKENESS, value=0.0, label="Likeness", min_width=160, elem_id="clr-least"
            )
        self.status = fragment(fragments.note(""), elem_id="clr-status")
        self.grid = fragment("", elem_id="clr-results", js_on_load=fragments.PICK_AND_RETURN)

    def _connect(self, page: gr.Blocks) -> None:
        controls = [self.count, self.label, self.folder, self.least]
        view = [self.session, self.query, self.trail, self.status, self.grid, self.back_button]

        def on(listen: Any, handler: Any, *, first: Any = None) -> None:
            listen(
                handler,
                [*([] if first is None else [first]), self.session, *controls],
                [*([] if first is None else [first]), *view],
                preprocess=first is None,  # see `picture_field`
                show_progress="hidden",
                api_visibility="private",
            )

        def with_controls(handler: Callable[[Session, Controls], Changes]) -> Any:
            return lambda session, *sent: handler(session, Controls.sent(*sent))

        def with_event(handler: Callable[[Session, Controls, gr.EventData], Changes]) -> Any:
            def handle(event: gr.EventData, session: Session, *sent: object) -> Changes:
                return handler(session, Controls.sent(*sent), event)

            return handle

        page.load(
            with_controls(self.on_open),
            [self.session, *controls],
            [*view, self.label, self.folder],
            show_progress="hidden",
            api_visibility="private",
        )
        on(
            self.upload.input,
            lambda upload, session, *sent: self.on_upload(upload, session, Controls.sent(*sent)),
            first=self.upload,
        )
        on(self.grid.pick, with_event(self.on_pick))
        on(self.trail.pick, with_event(self.on_return))
        on(self.back_button.click, with_controls(self.on_back))
        on(self.random_button.click, with_controls(self.on_random))
        changed = (self.count.release, self.label.input, self.folder.input, self.least.input)
        for listen in changed:
            on(listen, with_controls(self.on_show))

    def on_open(self, session: Session, controls: Controls) -> Changes:
        """Begin a visit: the collection may have other labels and folders than at the start."""
        labels, folders = self._explorer.labels(), self._explorer.folders()
        return {
            **self.on_show(session, controls),
            self.label: gr.update(choices=_choices(ALL_LABELS, labels), visible=labels != []),
            self.folder: gr.update(
                choices=_choices(ALL_FOLDERS, folders),
                visible=folders != [],
            ),
        }

    def on_show(self, session: Session, controls: Controls) -> Changes:
        """Show the current query's neighbours, or some pictures where there is no query yet."""
        return self._show(session, controls)

    def on_upload(self, value: Upload, session: Session, controls: Controls) -> Changes:
        """Search from an uploaded file, and clear the upload field for the next one."""
        path = uploaded_file(value, self.upload)
        if path is None:
            return {self.upload: None}
        try:
            subject = self._explorer.upload(path.read_bytes(), title_of(path))
        except ImageError as error:
            failure = unreadable(path.name, error)
            return {self.upload: None, **self._say(failure)}
        return {self.upload: None, **self.on_show(session.step(subject), controls)}

    def on_pick(self, session: Session, controls: Controls, event: gr.EventData) -> Changes:
        """Search from one of the pictures on the page, named by its place there."""
        place = place_of(event, len(session.shown))
        if place is None:
            return {}
        return self._choose(session.shown[place], session, controls)

    def on_random(self, session: Session, controls: Controls) -> Changes:
        """Search from a random picture among those the filters allow."""
        try:
            item = self._explorer.random_item(controls.filter)
        except ClrSearchError as error:
            return self._say(error)
        return self._choose(item, session, controls)

    def on_back(self, session: Session, controls: Controls) -> Changes:
        """Return to the query before; from the first one, to the opening pictures."""
        return self.on_show(session.back(), controls)

    def on_return(self, session: Session, controls: Controls, event: gr.EventData) -> Changes:
        """Return to a step of the trail, named by its place."""
        place = place_of(event, len(session.trail))
        if place is None:
            return {}
        return self.on_show(session.back_to(place), controls)

    def _choose(self, item: int, session: Session, controls: Controls) -> Changes:
        try:
            subject = self._explorer.choose(item)
        except ClrSearchError as error:
            return self._say(error)
        return self.on_show(session.step(subject), controls)

    def _show(self, session: Session, controls: Controls) -> Changes:
        subject = session.subject
        try:
            if subject is None:
                hits = self._explorer.opening(controls.filter, controls.count)
                status = fragments.note("A few pictures of the collection: choose one to search.")
            else:
                answer = self._explorer.search(controls.query(subject))
                hits, status = answer.hits, fragments.status(answer)
                if controls.least and not hits:
                    status = fragments.note(NOTHING_LIKE)
        except ClrSearchError as error:
            return self._say(error)
        session = session.showing(hits)
        return {
            self.session: session,
            self.query: (
                fragments.query_card(subject.title, subject.detail, subject.preview)
                if subject
                else fragments.invitation(INVITATION)
            ),
            self.trail: fragments.trail(session.trail),
            self.status: status,
            self.grid: fragments.grid(hits, "Neighbours" if subject else "Pictures to begin with"),
            self.back_button: gr.update(interactive=bool(session.trail)),
        }

    def _say(self, error: ClrSearchError) -> Changes:
        """Leave the page as it is and say what went wrong."""
        return {self.status: fragments.problem(error.what, error.remedy)}


def place_of(event: gr.EventData, count: int) -> int | None:
    """The place in a list of `count` that a browser named; None for anything else it may send."""
    data = event._data
    place = data.get("index") if isinstance(data, dict) else None
    valid = isinstance(place, int) and not isinstance(place, bool) and 0 <= place < count
    return place if valid else None


def title_of(upload: Path) -> str:
    """A title for an upload: its name, unless a browser made that up for a pasted picture."""
    return "Your picture" if upload.stem in {"image", "blob", "file"} else upload.name


def unreadable(name: str, error: ImageError) -> ClrSearchError:
    """What to say of an upload that is no picture."""
    return ClrSearchError(
        f"{name} could not be read as a picture: {error.what.rstrip('.')}.",
        "Try another file: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC are read.",
    )


def _choices(everything: str, names: list[str] | None) -> list[tuple[str, str]]:
    return [(everything, ""), *((name, name) for name in names or ())]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
