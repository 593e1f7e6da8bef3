"""`curves.png`: loss, accuracies and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clr_search.files.own import OwnFile

CURVES = "curves.png"

_INK, _GREY, _BLUE, _ORANGE, _GREEN = "#22272e", "#8b949e", "#2f6fb5", "#d9822b", "#3a8f5c"

Panel = tuple[str, str, str, Callable[[dict[str, Any]], float | None], str]
"""Title, unit, colour, the value of a row of `metrics.jsonl`, and the format of the last value."""

_PANELS: tuple[Panel, ...] = (
    ("Loss", "nats", _BLUE, lambda row: row["loss"], "{:.2f}"),
    (
        "Contrastive accuracy",
        "%",
        _ORANGE,
        lambda row: 100 * row["contrastive_accuracy"],
        "{:.0f} %",
    ),
    (
        "kNN accuracy of h, leave-one-out",
        "%",
        _GREEN,
        lambda row: None if row["knn_accuracy"] is None else 100 * row["knn_accuracy"],
        "{:.1f} %",
    ),
    ("Learning rate", "", _GREY, lambda row: row["learning_rate"], "{:.2g}"),
)


def draw_curves(rows: Sequence[dict[str, Any]], path: OwnFile | Path) -> None:
    """Draw loss, accuracies and learning rate over the epochs as a PNG image.

    Parameters
    ----------
    rows : sequence of dict
        Rows of `metrics.jsonl`, at least one.
    path : Path
        File to write; it is replaced whole.
    """
    # pyplot is not used: it keeps state for the whole process, and may look for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Places are fixed: to have Matplotlib find them takes longer than to draw all the rest.
    figure = Figure(figsize=(9.6, 6.0), facecolor="white")
    figure.subplots_adjust(left=0.075, right=0.985, bottom=0.1, top=0.945, wspace=0.17, hspace=0.22)
    FigureCanvasAgg(figure)
    for axes, (title, unit, colour, value, form) in zip(
        figure.subplots(2, 2, sharex=True).flat, _PANELS, strict=True
    ):
        points = [(row["epoch"], number) for row in rows if (number := value(row)) is not None]
        axes.set_title(title, loc="left", fontsize=11, color=_INK, fontweight="bold")
        axes.set_ylabel(unit, color=_GREY)
        axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color("#c9ced4")
        axes.tick_params(colors=_GREY, length=0, labelbottom=True)
        if not points:
            axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=_GREY)
            axes.set_yticks([])
            continue
        epochs, values = zip(*points, strict=True)
        marker = "o" if len(points) < 40 else None
        axes.plot(epochs, values, color=colour, linewidth=2, marker=marker, markersize=4)
        axes.annotate(
            form.format(values[-1]),
            (epochs[-1], values[-1]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="right",
            color=colour,
            fontweight="bold",
        )
        axes.margins(x=0.02, y=0.15)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.supxlabel("epoch", fontsize=10, color=_GREY)
    with OwnFile.at(path).replacing() as file:
        figure.savefig(file, format="png", dpi=120)
