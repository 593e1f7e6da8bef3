"""``export``: write a run as one ONNX file, or an ONNX file as a smaller or a portable one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from clr_search.cli import options, output
from clr_search.errors import UsageError, require

if TYPE_CHECKING:
    from clr_search.export.report import ExportReport


@options.command("export")
@click.argument("run", type=options.ENCODER)
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
    type=click.Choice(["fp32", "fp16", "int8"]),
    help="How weights are kept: fp16 is half the size, as fast; int8 under a third, and faster. "
    "Refused where less than 95 % of neighbours stay the same.  [default: fp32, or that of the "
    "ONNX file]",
)
@click.option(
    "--portable",
    is_flag=True,
    help="Resize pictures by matrix products, for runtimes whose Resize has no antialiasing, such "
    "as OpenVINO: the same vectors but for rounding, a little slower.",
)
@click.option(
    "--calibrate",
    "calibrate_on",
    metavar="IMAGES",
    type=options.PATH,
    multiple=True,
    help="Some hundred pictures, best those to be searched, labels unused: int8 measures its "
    "ranges on some, and is compared on others. May be given again.  [default: those of --whiten]",
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
@options.force_option(
    "the file, and the golden.json beside it; and write reduced weights however they find"
)
@options.json_option()
@options.pixels_option()
def export(
    run: Path,
    out: Path,
    name: str | None,
    licence: str,
    image_size: int | None,
    precision: Literal["fp32", "fp16", "int8"] | None,
    portable: bool,
    calibrate_on: tuple[Path, ...],
    whiten_on: tuple[Path, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Export the encoder of a run as one ONNX file.

    The model takes raw RGB pixels of any size and returns unit vectors; resizing and scaling are
    part of it. It is compared with PyTorch before it is written, and golden.json beside it holds a
    picture with its vector, by which any other runtime can be tested. If RUN is an ONNX file, it is
    reduced to fp16 or int8, or made portable, or both.

    \b
    Example:
      clr-search export run --out encoder.onnx
      clr-search export run --out encoder.onnx --name flowers-64 --licence CC-BY-4.0
      clr-search export run --out encoder.onnx --image-size 96 --precision fp16
      clr-search export run --out encoder.onnx --whiten photos
      clr-search export run --out encoder.onnx --precision int8 --calibrate photos
      clr-search export default --out small.onnx --precision int8 --calibrate photos
      clr-search export default --out portable.onnx --portable
    """
    from clr_search.files.write import refuse_existing
    from clr_search.progress import for_terminal

    refuse_existing(out, force=force)
    reporter = for_terminal()
    if run.is_file():
        if name or licence or image_size or whiten_on:
            raise UsageError(
                f"{run} is an ONNX file: its name, licence, image size and features are settled.",
                "Give the run that it came from, or only --precision, --calibrate and --portable.",
            )
        from clr_search.export.reduce import export_encoder

        report = export_encoder(
            run,
            out,
            precision=precision,
            portable=portable,
            calibrate_on=calibrate_on,
            force=force,
            reporter=reporter,
        )
    else:
        require("torch", "train")
        from clr_search.export.onnx import export_run

        report = export_run(
            run,
            out,
            name=name,
            licence=licence,
            image_size=image_size,
            precision=precision or "fp32",
            portable=portable,
            whiten_on=whiten_on,
            calibrate_on=calibrate_on,
            force=force,
            reporter=reporter,
        )
    _echo(report, as_json=as_json)


def _echo(report: ExportReport, *, as_json: bool) -> None:
    """Print what was written, and how it compares with PyTorch and with full precision."""
    card, difference = report.card, report.max_abs_difference
    if as_json:
        facts = {"path": report.path, "sha256": report.sha256, "bytes": report.bytes}
        facts |= {"max_abs_difference": difference, "speed": report.speed}
        output.echo_json(facts | {"card": card.summary()})
        return
    output.echo_heading(f"{output.shown(report.path)}: {output.size(report.bytes)}")
    drift, speed = "", ""
    if card.mean_cosine is not None:
        drift = f"cosine {card.mean_cosine:.6f}, {card.agreement:.1%} of ten neighbours the same"
    if report.speed is not None:
        speed = f"{report.speed:.2f} times as fast on a core of this machine"
    output.echo_facts(
        [
            ("name", card.name),
            ("network", f"{card.architecture}, {card.image_size} px → {card.embedding_dim}"),
            ("embedding", card.descriptor),
            ("weights", card.precision),
            ("resize", card.resize),
            ("against torch", "" if difference is None else f"off by {difference:.1e} at most"),
            ("against the full", drift),
            ("speed", speed),
            ("sha256", report.sha256),
        ]
    )
