"""``export``: a run becomes one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from clr_search.cli import options, output
from clr_search.errors import require

if TYPE_CHECKING:
    from clr_search.contract import Card


@options.command("export")
@click.argument("run", type=options.PATH)
@click.option("--out", metavar="ONNX", type=options.PATH, required=True, help="The file to write.")
@click.option("--name", help="Name for people.  [default: the name of the run's folder]")
@click.option("--licence", default="", help="A note on rights, kept in the file.")
@click.option(
    "--image-size",
    type=options.COUNT,
    help="Side in pixels of the square it sees; 1.15 to 1.5 times that of the training is often "
    "better.  [default: that of the training]",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    show_default=True,
    help="How weights are kept; fp16 is half the size, and as fast.",
)
@click.option(
    "--whiten",
    "whiten_on",
    metavar="IMAGES",
    type=options.PATH,
    multiple=True,
    help="Pictures, best those to be searched, labels unused: adds features of earlier stages and "
    "evens them out on these, which finds better. May be given again.",
)
@options.force_option("the file, and the golden.json beside it")
@options.json_option()
def export(
    run: Path,
    out: Path,
    name: str | None,
    licence: str,
    image_size: int | None,
    precision: Literal["fp32", "fp16"],
    whiten_on: tuple[Path, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Export the encoder of a run as one ONNX file.

    The file takes raw RGB pixels of any size and gives unit vectors; resizing and scaling are
    inside. It is checked against PyTorch before it takes its name, and golden.json beside it lets
    any other runtime prove itself.

    \b
    Example:
      clr-search export run --out encoder.onnx
      clr-search export run --out encoder.onnx --name flowers-64 --licence CC-BY-4.0
      clr-search export run --out encoder.onnx --image-size 96 --precision fp16
      clr-search export run --out encoder.onnx --whiten photos
    """
    from clr_search.files import refuse_existing

    refuse_existing(out, force=force)
    require("torch", "train")
    from clr_search.export.onnx import export_run
    from clr_search.progress import for_terminal

    report = export_run(
        run,
        out,
        name=name,
        licence=licence,
        image_size=image_size,
        precision=precision,
        whiten_on=whiten_on,
        force=force,
        reporter=for_terminal(),
    )
    if as_json:
        facts = {"path": report.path, "sha256": report.sha256, "bytes": report.bytes}
        facts |= {"max_abs_difference": report.max_abs_difference}
        output.echo_json(facts | {"card": report.card.summary()})
        return
    output.echo_heading(f"{output.shown(report.path)}: {output.size(report.bytes)}")
    card = report.card
    output.echo_facts(
        [
            ("name", card.name),
            ("network", f"{card.architecture}, {card.image_size} px → {card.embedding_dim}"),
            ("embedding", card.descriptor),
            ("against torch", f"off by {report.max_abs_difference:.1e} at most"),
            ("against fp32", _drift(card)),
            ("sha256", report.sha256),
        ]
    )


def _drift(card: Card) -> str:
    if card.mean_cosine is None:
        return ""
    return f"cosine {card.mean_cosine:.6f}, {card.agreement:.1%} of ten neighbours the same"
