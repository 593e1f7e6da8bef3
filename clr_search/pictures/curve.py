"""Learning curves: accuracy by number of labels, with its spread over draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from clr_search.pictures.lettering import (
    ACCENT,
    BAD,
    INK,
    MUTED,
    PAPER,
    RULE,
    length,
    write,
)

COLOURS = (ACCENT, BAD)
"""Of the lines, in their order."""

_FINE = 3  # lines and bands are drawn so many times larger, and shrunk: no steps are seen
_WIDTH, _HEIGHT = 840, 420  # of the plot
_TEXT = 15


@dataclass(frozen=True, slots=True)
class Line:
    """A measure: its name, means and deviations in [0, 1], one a step."""

    name: str
    means: Sequence[float]
    deviations: Sequence[float]


def learning_curve(
    ticks: Sequence[str], counts: Sequence[float], lines: Sequence[Line], chance: float, title: str
) -> Image.Image:
    """Draw accuracies over a logarithmic axis of labels.

    Parameters
    ----------
    ticks : sequence of str
        What stands below each step.
    counts : sequence of float
        Where it stands: labels, positive and rising.
    lines : sequence of Line
        At most as many as there are `COLOURS`.
    chance : float
        Drawn as a level line, in [0, 1].
    title : str
        A line above it.

    Returns
    -------
    PIL image
        RGB. Bands are one deviation to both sides.
    """
    return _Plot(counts, [*lines], chance).draw(ticks, title)


class _Plot:
    def __init__(self, counts: Sequence[float], lines: list[Line], chance: float) -> None:
        logs = [math.log(count) for count in counts]
        width = logs[-1] - logs[0] or 1.0
        tops = [m + d for line in lines for m, d in zip(line.means, line.deviations, strict=True)]
        self._top = min(1.0, math.ceil(10 * max([*tops, chance]) + 0.2) / 10)
        self._left, self._up = 4 * _TEXT, 5 * _TEXT
        self._shares = [0.03 + 0.94 * (log - logs[0]) / width for log in logs]
        self._lines, self._chance = lines, chance

    def draw(self, ticks: Sequence[str], title: str) -> Image.Image:
        beside = max(length(f"{line.name}  00.0 %", _TEXT) for line in self._lines)
        beside = max(beside, length("chance  00.0 %", _TEXT))
        size = (self._left + _WIDTH + beside + 2 * _TEXT, self._up + _HEIGHT + 5 * _TEXT)
        size = (max(size[0], length(title, 18) + 4 * _TEXT), size[1])
        fine = Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), PAPER)
        self._draw_lines(fine)
        sheet = fine.resize(size, Image.Resampling.BOX)
        draw = ImageDraw.Draw(sheet)
        write(draw, (2 * _TEXT, _TEXT), title, 18, INK)
        write(draw, (2 * _TEXT, self._up - 2 * _TEXT), "accuracy, %", 13, MUTED)
        for tenth in range(round(10 * self._top) + 1):
            text = str(10 * tenth)
            place = (self._left - length(text, 13) - 8, self._y(tenth / 10) - 9)
            write(draw, place, text, 13, MUTED)
        end = -math.inf
        for share, tick in zip(self._shares, ticks, strict=True):
            half = length(tick, 13) // 2
            x = self._x(share)
            if x - half > end + 4:  # those that would lie on one another are left out
                write(draw, (x - half, self._up + _HEIGHT + 8), tick, 13, INK)
                end = x + half
        text = "labels a class"
        place = (self._left + (_WIDTH - length(text, 13)) // 2, self._up + _HEIGHT + 2 * _TEXT + 4)
        write(draw, place, text, 13, MUTED)
        self._write_names(draw)
        return sheet

    def _x(self, share: float) -> int:
        return round(self._left + share * _WIDTH)

    def _y(self, accuracy: float) -> int:
        return round(self._up + _HEIGHT * (1 - accuracy / self._top))

    def _draw_lines(self, fine: Image.Image) -> None:
        draw = ImageDraw.Draw(fine)

        def at(share: float, accuracy: float) -> tuple[float, float]:
            x = self._left + share * _WIDTH
            y = self._up + _HEIGHT * (1 - min(self._top, max(0.0, accuracy)) / self._top)
            return x * _FINE, y * _FINE

        for tenth in range(round(10 * self._top) + 1):
            draw.line([at(0, tenth / 10), at(1, tenth / 10)], RULE, _FINE)
        for n in range(0, 100, 2):
            draw.line(
                [at(n / 100, self._chance), at((n + 1) / 100, self._chance)], MUTED, 2 * _FINE
            )
        shade = Image.new("RGB", fine.size, PAPER)
        mask = Image.new("L", fine.size, 0)
        for line, colour in zip(self._lines, COLOURS, strict=False):
            parts = list(zip(self._shares, line.means, line.deviations, strict=True))
            band = [at(x, m + d) for x, m, d in parts] + [at(x, m - d) for x, m, d in parts[::-1]]
            shade.paste(colour, (0, 0, *fine.size))
            mask.paste(0, (0, 0, *fine.size))
            if len(parts) > 1:
                ImageDraw.Draw(mask).polygon(band, fill=48)
            fine.paste(shade, (0, 0), mask)
        for line, colour in zip(self._lines, COLOURS, strict=False):
            points = [at(x, m) for x, m in zip(self._shares, line.means, strict=True)]
            draw.line(points, colour, round(2.5 * _FINE), joint="curve")
            for x, y in points:
                r = 4.5 * _FINE
                draw.ellipse((x - r, y - r, x + r, y + r), colour, PAPER, _FINE)

    def _write_names(self, draw: ImageDraw.ImageDraw) -> None:
        """At the right ends, apart from one another."""
        named = [
            (line.means[-1], f"{line.name}  {100 * line.means[-1]:.1f} %", colour)
            for line, colour in zip(self._lines, COLOURS, strict=False)
        ]
        named.append((self._chance, f"chance  {100 * self._chance:.1f} %", MUTED))
        y = -math.inf
        for level, text, colour in sorted(named, reverse=True):
            y = max(y + 20, self._y(level) - _TEXT // 2 - 2)
            write(draw, (self._left + _WIDTH + 8, round(y)), text, _TEXT, colour)
