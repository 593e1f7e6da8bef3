"""The two kinds of Gradio components that the page uses, with the settings it needs.

Functions make them, because Gradio writes a stub file beside the module of every class that is
derived from one of its components.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from clr_search.app.guard import is_address

_HINT = "Drop, paste or choose a picture"


def fragment(value: str, *, elem_id: str | None = None, js_on_load: str | None = None) -> gr.HTML:
    """Put a piece of HTML on the page, without the style of Gradio.

    Parameters
    ----------
    value : str
        The HTML, in which texts from outside are escaped.
    elem_id : str, optional
        Its `id` on the page.
    js_on_load : str, optional
        JavaScript that runs in the browser when the piece appears, and triggers its events.
    """
    return gr.HTML(
        value, elem_id=elem_id, js_on_load=js_on_load, apply_default_css=False, padding=False
    )


def picture_field(label: str, elem_id: str) -> gr.Image:
    """Put a field on the page that takes a picture from a file, the clipboard or the camera.

    Connect its handlers with ``preprocess=False``, and read its value by `uploaded_file`. Otherwise
    Gradio opens the file with Pillow, without the guard of `images` against decompression bombs,
    and answers a broken file with a bare "Error".
    """
    return gr.Image(
        label=label,
        show_label=False,
        sources=["upload", "clipboard", "webcam"],
        type="filepath",
        height=176,
        elem_id=elem_id,
        elem_classes="clr-upload",
        buttons=[],
        placeholder=_HINT,
        webcam_options=gr.WebcamOptions(mirror=False),
    )


def uploaded_file(value: dict[str, Any] | None, field: gr.Image) -> Path | None:
    """Return the file of the unprocessed value of a `picture_field`; None when it was cleared.

    Raises
    ------
    gradio.Error
        If the browser names anything but an uploaded file.
    """
    if value is None:
        return None
    name = value.get("path")
    if isinstance(name, str) and not is_address(name):
        path = Path(name).resolve()
        if path.is_relative_to(Path(field.GRADIO_CACHE).resolve()) and path.is_file():
            return path
    raise gr.Error(
        "Only pictures uploaded from this page are accepted.",
        title="Not accepted",
        print_exception=False,
    )
