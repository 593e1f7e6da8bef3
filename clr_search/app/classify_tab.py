"""The Classify tab: the classes that the linear probe gives a picture."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from clr_search import images
from clr_search.app import fragments
from clr_search.app.components import fragment, picture_field, uploaded_file
from clr_search.app.explorer import Explorer, describe, folder_of
from clr_search.app.search_tab import Changes, Upload, title_of, unreadable
from clr_search.errors import ClrSearchError, ImageError
from clr_search.index.catalog.filters import ALL
from clr_search.pictures.inline import PREVIEW, preview
from clr_search.serve import Probe

INVITATION = ("What is this?", "Bring a picture, and see what the classifier takes it for.")

SHOWN = 10
"""Largest number of classes shown, the most probable first."""


class ClassifyTab:
    """The components of the tab, with the handlers of its events.

    Parameters
    ----------
    probe : Probe
        The classifier.
    explorer : Explorer
        The collection, for random pictures to try, and for its workers, which decode.
    """

    def __init__(self, probe: Probe, explorer: Explorer) -> None:
        self._probe = probe
        self._explorer = explorer
        self._side = max(images.enough_for(probe.card.image_size), PREVIEW)
        with gr.Row(elem_classes="clr-columns"):
            with gr.Column(elem_classes="clr-side", scale=0, min_width=300):
                self.query = fragment(
                    fragments.invitation(INVITATION), elem_id="clr-classify-query"
                )
                with gr.Row(elem_classes="clr-buttons"):
                    self.random_button = gr.Button(
                        "Random picture", elem_id="clr-classify-random", size="md"
                    )
                self.upload = picture_field("Picture to classify", "clr-classify-upload")
            with gr.Column(elem_classes="clr-main", scale=1):
                self.result = fragment("", elem_id="clr-classes")
        outputs = [self.upload, self.query, self.result]
        settings: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.upload.input(self.on_upload, [self.upload], outputs, preprocess=False, **settings)
        self.random_button.click(self.on_random, [], outputs, **settings)

    def on_upload(self, value: Upload) -> Changes:
        """Classify an uploaded file."""
        path = uploaded_file(value, self.upload)
        if path is None:
            return {self.upload: None}
        try:
            picture = self._explorer.workers.decode(path.read_bytes(), at_least=self._side)
        except ImageError as error:
            return {self.upload: None, **self._say(unreadable(path.name, error))}
        return {self.upload: None, **self._classify(picture, title_of(path), "uploaded")}

    def on_random(self) -> Changes:
        """Classify a random picture of the collection."""
        try:
            item = self._explorer.item(self._explorer.random_item(ALL))
            picture = self._explorer.workers.load(item.path, at_least=self._side)
        except (OSError, ClrSearchError):
            return self._say(
                ClrSearchError("That picture can no longer be read.", "Try another one.")
            )
        return self._classify(picture, item.path.name, folder_of(item.relative))

    def _classify(self, picture: images.Picture, title: str, origin: str) -> Changes:
        """Classify a decoded picture, and show it with its classes."""
        began = time.perf_counter()
        (verdict,) = self._probe.classify([picture.pixels])
        seconds = time.perf_counter() - began
        card = fragments.query_card(title, describe(origin, picture), preview(picture.pixels))
        none = verdict.known is False
        result = fragments.verdict(verdict.best(SHOWN), self._remark(seconds), none=none)
        return {self.query: card, self.result: result}

    def _remark(self, seconds: float) -> str:
        """Return the line below the classes: their number, the time, and the accuracy."""
        count = len(self._probe.classes)
        text = f"{count} classes, the best {SHOWN} shown" if count > SHOWN else f"{count} classes"
        text += f", in {fragments.duration(seconds)}."
        accuracy = self._probe.card.probe_accuracy
        if accuracy is not None:
            right = fragments.percent(accuracy)
            text += f" On pictures kept aside, this classifier was right {right} of the time."
        refused = self._probe.card.novelty_refused
        if refused is None:
            return text + " It cannot tell pictures of other things."
        text += f" It refuses {fragments.percent(refused)} of new pictures of its classes"
        caught = self._probe.card.novelty_caught
        if caught is None:
            return f"{text}; how many of other things, could not be estimated."
        return f"{text}, and about {fragments.percent(caught)} of those of other things."

    def _say(self, error: ClrSearchError) -> Changes:
        """Show a failure in place of the classes."""
        return {self.result: fragments.problem(error.what, error.remedy)}
