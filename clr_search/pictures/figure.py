"""matplotlib draws figures here: axes of a given size in pixels, with room for text around them.

The extra ``plots`` brings matplotlib. It is used without pyplot, which keeps state for the whole
process and may look for a display.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

from PIL import Image

from clr_search.errors import require
from clr_search.pictures.lettering import PAPER

DPI = 100
"""Pixels per inch. matplotlib measures figures in inches and text in points, 72 to an inch."""

_MARGIN = 24
"""Width in pixels of the empty margin around a figure and its text."""

_FAMILIES = (
    "DejaVu Sans",  # It comes with matplotlib and has the letters of Europe.
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans GB",
)
"""Font families, in their order: a letter is set in the first installed one that contains it."""


def require_plots() -> None:
    """Check that matplotlib is installed, before long work that ends in a plot begins.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed; the message says which extra brings it.
    """
    require("matplotlib", "plots")


def blank_figure(width: int, height: int) -> tuple[Any, Any]:
    """Make a matplotlib `Figure` with one `Axes` that fills it.

    Parameters
    ----------
    width, height : int
        Size in pixels.

    Returns
    -------
    matplotlib Figure, matplotlib Axes
        The figure, and its axes without spines and tick marks.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> figure, axes = blank_figure(300, 200)
    >>> figure.get_size_inches().tolist()
    [3.0, 2.0]
    """
    require_plots()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure, axes


def set_font(text: Any, size: float, colour: str) -> None:
    """Set the font, the size in pixels and the colour of a matplotlib `Text`.

    The text is shown as it is spelled: ``$`` does not begin a formula.
    """
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    text.set_family([family for family in _FAMILIES if family in installed])
    text.set_size(points(size))
    text.set_color(colour)
    text.set_parse_math(False)


def points(pixels: float) -> float:
    """Convert a length from pixels to points, the unit of matplotlib for text and line widths.

    Examples
    --------
    >>> points(100)
    72.0
    """
    return pixels * 72 / DPI


def as_picture(figure: Any) -> Image.Image:
    """Render a figure as an RGB picture, large enough for all text around the axes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that no installed font contains is drawn as an empty box; a warning adds nothing.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=_MARGIN / DPI)
    return Image.open(buffer).convert("RGB")
