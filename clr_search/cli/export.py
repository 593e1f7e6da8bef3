"""``export``: a run becomes one ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from clr_search.cli import options, output
from clr_search.errors import require


@options.command("export")
@click.argument("run", type=options.PATH)
@click.option("--out", metavar="ONNX", type=options.PATH, required=True, help="The file to write.")
@click.option("--name", help="Name for people.  [default: the name of the run's folder]")
@click.option("--licence", default="", help="A note on rights, kept in the file.")
@options.force_option("the file, and the golden.json beside it")
@options.json_option()
def export(
    run: Path, out: Path, name: str | None, licence: str, force: bool, as_json: bool
) -> None:
    """Export the encoder of a run as one ONNX file.

    The file takes raw RGB pixels of any size and gives unit vectors; resizing and scaling are
    inside. It is checked against PyTorch before it takes its name, and golden.json beside it lets
    any other runtime prove itself.

    \b
    Example:
      clr-search export run --out encoder.onnx
      clr-search export run --out encoder.onnx --name flowers-64 --licence CC-BY-4.0
    """
    from clr_search.files import refuse_existing

    refuse_existing(out, force=force)
    require("torch", "train")
    from clr_search.export.onnx import export_run

    report = export_run(run, out, name=name, licence=licence, force=force)
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
            ("against torch", f"off by {report.max_abs_difference:.1e} at most"),
            ("sha256", report.sha256),
        ]
    )
