"""The theme of the page, light and dark; it uses system fonts only, so that nothing is fetched."""

from __future__ import annotations

from pathlib import Path

from gradio.themes import Base
from gradio.themes.utils.colors import Color
from gradio.themes.utils.sizes import radius_lg, spacing_md, text_md
from PIL import Image, ImageDraw

_TEAL = Color(
    c50="#eef7f6",
    c100="#d5ebe8",
    c200="#aed8d3",
    c300="#7fbfb8",
    c400="#4fa29a",
    c500="#2f857d",
    c600="#246b65",
    c700="#1f5752",
    c800="#1c4643",
    c900="#1a3b38",
    c950="#0b2221",
    name="clr-teal",
)
_PAPER = Color(
    c50="#faf9f7",
    c100="#f4f2ee",
    c200="#e7e4dd",
    c300="#d4d0c6",
    c400="#a6a196",
    c500="#77736a",
    c600="#57544d",
    c700="#403e39",
    c800="#2a2926",
    c900="#1d1c1a",
    c950="#131211",
    name="clr-paper",
)
_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

STYLE_SHEETS = sorted((Path(__file__).parent / "static").glob("*.css"))


def theme() -> Base:
    """Return the plainest theme of Gradio with the colours paper and teal."""
    base = Base(
        primary_hue=_TEAL,
        secondary_hue=_TEAL,
        neutral_hue=_PAPER,
        text_size=text_md,
        spacing_size=spacing_md,
        radius_size=radius_lg,
        font=_SANS,
        font_mono=_MONO,
    )
    base.name = "clr-search"
    return base.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_shadow="none",
        block_radius="14px",
        block_label_background_fill="transparent",
        block_label_border_width="0px",
        block_title_text_weight="600",
        block_title_text_size="*text_sm",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_300",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_800",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        slider_color="*primary_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_50",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_medium_padding="8px 14px",
        button_medium_text_size="*text_md",
        button_medium_text_weight="500",
    )


def write_icon(folder: Path) -> Path:
    """Draw the icon of the page as a PNG of 64 pixels in `folder`, and return its path."""
    icon = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    draw = ImageDraw.Draw(icon)
    for left, top, colour in (
        (4, 4, _TEAL.c500),
        (35, 4, _PAPER.c300),
        (4, 35, _PAPER.c300),
        (35, 35, _TEAL.c200),
    ):
        draw.rounded_rectangle((left, top, left + 25, top + 25), radius=7, fill=colour)
    path = folder / "icon.png"
    icon.save(path)
    return path
