"""Figures of matplotlib as pictures: an area of a given size, and around it room for its text.

matplotlib comes with the extra ``plots``. It is used without pyplot, which keeps state for the
whole process and may look for a display.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

from PIL import Image

from clr_search.errors import require
from clr_search.pictures.lettering import PAPER

DPI = 100

_MARGIN = 24  # pixels of paper around everything
_FAMILIES = (
    "DejaVu Sans",  # comes with matplotlib; has the letters of Europe
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans GB",
)
"""A letter is set in the first of these that the system has and that has the letter."""


def require_plots() -> None:
    """Refuse at once, before work that ends in a plot, where matplotlib is missing.

    Raises
    ------
    MissingExtraError
        If it is not installed; says which extra brings it.
    """
    require("matplotlib", "plots")


def blank_figure(width: int, height: int) -> tuple[Any, Any]:
    """Make a matplotlib `Figure` whose one `Axes` fills its width and height, in pixels.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
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
    """Set a matplotlib `Text` in a size in pixels, as it is spelled: ``$`` begins no formula."""
    from matplotlib.font_manager import fontManager

    there = set(fontManager.get_font_names())
    text.set_family([family for family in _FAMILIES if family in there])
    text.set_size(points(size))
    text.set_color(colour)
    text.set_parse_math(False)


def points(pixels: float) -> float:
    """A length in points, in which matplotlib wants sizes and widths."""
    return pixels * 72 / DPI


def as_picture(figure: Any) -> Image.Image:
    """Render a figure, RGB, grown so that no text around its axes is cut."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that no font of the system has is drawn as an empty box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=_MARGIN / DPI)
    return Image.open(buffer).convert("RGB")
