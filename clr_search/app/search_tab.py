"""The Search tab: upload or choose a picture, see its neighbours, and search from any of them."""

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
from clr_search.index.catalog.columns.language import MOST_CHARACTERS
from clr_search.index.catalog.filters import MOST_BYTES, Filter
from clr_search.index.search.query import Query

INVITATION = (
    "Search with a picture.",
    "Choose any picture on this page, or bring your own: drop it, paste it or take it.",
)

FEWEST, MOST, AT_FIRST = 4, 48, 12
"""Least, largest and initial number of results."""

LIKENESS = [("Any", 0.0), *((f"Top {100 - p:g} % of pairs", p) for p in (90.0, 99.0, 99.9))]
"""Names of the limits on likeness, with the percentile that a result must reach.

The percentile is the share of random pairs of the collection that are less alike, in per cent.
"""

NOTHING_LIKE = "Nothing in the collection is so like this picture."

ALL_LABELS = "All labels"
ALL_FOLDERS = "Whole collection"

Upload: TypeAlias = dict[str, Any] | None
"""The unprocessed value of an upload field."""

Changes: TypeAlias = dict[Any, Any]
"""The components that a handler changes, with their new values."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The settings above the results.

    Attributes
    ----------
    count : int
        Number of results.
    label, folder : str
        Label and folder that results must have; empty for any.
    least : float
        Least percentile of a result, from 0 to 100; 0 is no limit.
    where : str
        Condition on columns that results must meet; empty for none.
    """

    count: int = AT_FIRST
    label: str = ""
    folder: str = ""
    least: float = 0.0
    where: str = ""

    @classmethod
    def sent(
        cls,
        count: object,
        label: object,
        folder: object,
        least: object = 0.0,
        where: object = "",
    ) -> Controls:
        """Return the controls from the values that a browser sent; invalid values are replaced.

        Examples
        --------
        >>> Controls.sent(1000, "roses", None)
        Controls(count=48, label='roses', folder='', least=0.0, where='')
        """
        number = AT_FIRST
        if isinstance(count, int | float) and not math.isnan(count):
            number = int(min(max(count, FEWEST), MOST))
        limit = float(least) if isinstance(least, int | float) and 0 <= least <= 100 else 0.0
        condition = where.strip() if isinstance(where, str) else ""  # too long, it is refused
        return cls(number, _text(label), _text(folder), limit, condition)

    @property
    def filter(self) -> Filter:
        """The conditions on label, folder and columns of the results."""
        return Filter(
            label=self.label or None,
            under=self.folder or None,
            where=self.where or None,
            on_disk=False,
        )

    def query(self, subject: Subject) -> Query:
        """Return the query for a picture to search from."""
        return Query(
            picture=subject.square if subject.item is None else subject.item,
            k=self.count,
            filter=self.filter,
            min_percentile=self.least or None,
        )


class SearchTab:
    """The components of the tab, with the handlers of its events.

    Every handler takes the session and the controls, and returns the changes of the page. A browser
    names pictures only by their position on the page; the session on the server holds their ids.

    Parameters
    ----------
    explorer : Explorer
        The collection.
    page : gradio.Blocks
        The page that the tab belongs to.
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
        """Create the left column: the query, the trail and the upload field."""
        self.query = fragment(fragments.invitation(INVITATION), elem_id="clr-query")
        self.trail = fragment("", elem_id="clr-trail", js_on_load=fragments.PICK_ON_CLICK)
        with gr.Row(elem_classes="clr-buttons"):
            self.back_button = gr.Button("← Back", interactive=False, elem_id="clr-back", size="md")
            self.random_button = gr.Button("Random picture", elem_id="clr-random", size="md")
        self.upload = picture_field("Your picture", "clr-upload")

    def _build_main(self) -> None:
        """Create the main column: the filters and the results."""
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
            self.where = gr.Textbox(
                label="Condition, then Enter",
                placeholder=self._explorer.example_condition(),
                max_lines=1,
                max_length=MOST_CHARACTERS,
                min_width=240,
                elem_id="clr-where",
            )
        self.status = fragment(fragments.note(""), elem_id="clr-status")
        self.grid = fragment("", elem_id="clr-results", js_on_load=fragments.PICK_AND_RETURN)

    def _connect(self, page: gr.Blocks) -> None:
        """Connect every event of the tab with its handler."""
        controls = [self.count, self.label, self.folder, self.least, self.where]
        view = [self.session, self.query, self.trail, self.status, self.grid, self.back_button]

        def on(listen: Any, handler: Any, *, first: Any = None) -> None:
            listen(
                handler,
                [*([] if first is None else [first]), self.session, *controls],
                [*([] if first is None else [first]), *view],
                preprocess=first is None,  # `picture_field` says why.
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
        for listen in (*changed, self.where.submit):
            on(listen, with_controls(self.on_show))

    def on_open(self, session: Session, controls: Controls) -> Changes:
        """Begin a visit, with the labels and folders that the collection has now."""
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
        """Search from one of the pictures on the page, which the event names by its position."""
        position = place_of(event, len(session.shown))
        if position is None:
            return {}
        return self._choose(session.shown[position], session, controls)

    def on_random(self, session: Session, controls: Controls) -> Changes:
        """Search from a random picture that passes the filters."""
        try:
            item = self._explorer.random_item(controls.filter)
        except ClrSearchError as error:
            return self._say(error)
        return self._choose(item, session, controls)

    def on_back(self, session: Session, controls: Controls) -> Changes:
        """Return to the previous query; from the first one, to the opening pictures."""
        return self.on_show(session.back(), controls)

    def on_return(self, session: Session, controls: Controls, event: gr.EventData) -> Changes:
        """Return to a step of the trail, which the event names by its position."""
        position = place_of(event, len(session.trail))
        if position is None:
            return {}
        return self.on_show(session.back_to(position), controls)

    def _choose(self, item: int, session: Session, controls: Controls) -> Changes:
        """Search from an item of the collection."""
        try:
            subject = self._explorer.choose(item)
        except ClrSearchError as error:
            return self._say(error)
        return self.on_show(session.step(subject), controls)

    def _show(self, session: Session, controls: Controls) -> Changes:
        """Search, and return the new content of the whole tab."""
        subject = session.subject
        try:
            if subject is None:
                hits = self._explorer.opening(controls.filter, controls.count)
                status = fragments.opening(hits)
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
        """Show a failure, and leave the rest of the page as it is."""
        return {self.status: fragments.problem(error.what, error.remedy)}


def place_of(event: gr.EventData, count: int) -> int | None:
    """Return the position in a list of `count` that an event names.

    The result is None for anything else that a browser may send.
    """
    data = event._data
    index = data.get("index") if isinstance(data, dict) else None
    valid = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < count
    return index if valid else None


def title_of(upload: Path) -> str:
    """Return a title for an upload: its name, unless a browser made it up for a pasted picture.

    Examples
    --------
    >>> title_of(Path("rose.jpg")), title_of(Path("image.png"))
    ('rose.jpg', 'Your picture')
    """
    return "Your picture" if upload.stem in {"image", "blob", "file"} else upload.name


def unreadable(name: str, error: ImageError) -> ClrSearchError:
    """Return the error that the page shows for an upload that is not a picture."""
    return ClrSearchError(
        f"{name} could not be read as a picture: {error.what.rstrip('.')}.",
        "Try another file: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC are read.",
    )


def _choices(everything: str, names: list[str] | None) -> list[tuple[str, str]]:
    """Return the choices of a dropdown: no restriction first, then every name."""
    return [(everything, ""), *((name, name) for name in names or ())]


def _text(value: object) -> str:
    """Return a text that a browser sent; an empty one for any other value, or one too long."""
    if not isinstance(value, str) or len(value.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        return ""
    return value
