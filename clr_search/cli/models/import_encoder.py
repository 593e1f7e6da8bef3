"""``import-encoder``: make an encoder of a network of any maker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import options, output
from clr_search.errors import UsageError
from clr_search.images.geometry import Filter, Fit

if TYPE_CHECKING:
    from clr_search.importing.door import ImportReport
    from clr_search.importing.recipe import Channels, Layout, Pool, Recipe, Three


def _numbers(text: str | None, option: str) -> Three | None:
    """Return one number a channel of an option; one number stands for all three."""
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 3):
        raise UsageError(
            f"{option} {text} is not one number for each channel.",
            f"Give three, or one for all: {option} 0.485,0.456,0.406",
        )
    first, second, third = values * 3 if len(values) == 1 else values
    return first, second, third


def _colour(text: str | None) -> tuple[int, int, int] | None:
    """Return the colour of an option."""
    numbers = _numbers(text, "--ground")
    return None if numbers is None else (int(numbers[0]), int(numbers[1]), int(numbers[2]))


@options.command("import-encoder")
@click.argument("source", metavar="SOURCE")
@click.option("--out", metavar="ONNX", type=options.PATH, required=True, help="The file to write.")
@click.option("--output", "tensor", metavar="NAME", help="The output, or an inner tensor, to take.")
@click.option(
    "--pool",
    type=click.Choice(["cls", "mean", "gem", "cls+mean", "none"]),
    help="How tokens or a map become a vector.  [default: the class token where there is one, "
    "else the mean]",
)
@click.option(
    "--prefix-tokens",
    type=options.WholeNumber(0),
    help="Tokens before those of the patches.  [default: what is left of a square number]",
)
@click.option("--image-size", type=options.COUNT, help="Side in pixels of what the network reads.")
@click.option(
    "--resize",
    type=options.COUNT,
    help="Side that pictures are resized to, before --image-size is cut out of their middle.",
)
@click.option(
    "--fit",
    type=click.Choice(["centre", "crop", "squash", "pad"]),
    help="What becomes of pictures that are no squares: scaled and cut, as most do it, or cut and "
    "scaled, as ours are.  [default: centre]",
)
@click.option(
    "--filter",
    "kernel",
    type=click.Choice(["bilinear", "bicubic"]),
    help="The filter, antialiased.  [default: bilinear]",
)
@click.option("--ground", metavar="R,G,B", help="Colour of what pad adds, 0 to 255.")
@click.option("--scale", type=float, help="Factor from bytes to numbers.  [default: 1/255]")
@click.option("--mean", metavar="A,B,C", help="Subtracted after scaling.  [default: 0]")
@click.option("--std", metavar="A,B,C", help="Divided by afterwards.  [default: 1]")
@click.option("--channels", type=click.Choice(["rgb", "bgr"]), help="Order of the colours.")
@click.option("--layout", type=click.Choice(["nchw", "nhwc"]), help="Order of the axes.")
@click.option("--name", help="Name for people.  [default: that of the network]")
@click.option("--licence", help="A note on rights, kept in the file.  [default: as it is read]")
@click.option(
    "--weights",
    metavar="FILE",
    type=options.EXISTING_FILE,
    help="Weights for timm:NAME or torchvision:NAME, .safetensors or .pth, instead of its own.",
)
@click.option(
    "--pictures",
    metavar="IMAGES",
    type=options.PATH,
    multiple=True,
    help="Compare with the original on these, too, not only on the photos that come along.",
)
@click.option(
    "--whiten",
    "whiten_on",
    metavar="IMAGES",
    type=options.PATH,
    multiple=True,
    help="Pictures, best those to be searched, labels unused: evens the vectors out on these.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    help="How weights are kept, as for export.  [default: fp32]",
)
@click.option(
    "--calibrate",
    "calibrate_on",
    metavar="IMAGES",
    type=options.PATH,
    multiple=True,
    help="Pictures to measure reduced weights on.  [default: those of --whiten]",
)
@click.option("--portable", is_flag=True, help="Resize by matrix products, as for export.")
@options.force_option(
    "the file, and the golden.json beside it; and write reduced weights however they find"
)
@options.json_option()
def import_encoder(
    source: str,
    out: Path,
    tensor: str | None,
    pool: Pool | None,
    prefix_tokens: int | None,
    image_size: int | None,
    resize: int | None,
    fit: Fit | None,
    kernel: Filter | None,
    ground: str | None,
    scale: float | None,
    mean: str | None,
    std: str | None,
    channels: Channels | None,
    layout: Layout | None,
    name: str | None,
    licence: str | None,
    weights: Path | None,
    pictures: tuple[Path, ...],
    whiten_on: tuple[Path, ...],
    precision: str,
    calibrate_on: tuple[Path, ...],
    portable: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Import a network of any maker as an encoder.

    SOURCE is an ONNX file; a folder as transformers.js, Immich, open_clip or timm lay it out; or
    timm:NAME or torchvision:NAME. Its preprocessing, pooling and the norm become part of the graph.
    What a folder says of its preprocessing is read, shown, and overridden by options. The file is
    written only if its vectors are those of the original, to a cosine of 0.999.

    \b
    Example:
      clr-search import-encoder dinov2-small --out dino.onnx --pool cls+mean
      clr-search import-encoder ViT-B-32__openai --out clip.onnx
      clr-search import-encoder net.onnx --out encoder.onnx --mean 0.5 --std 0.5
      clr-search import-encoder timm:resnet50 --out encoder.onnx
    """
    from clr_search.importing.door import import_encoder as run
    from clr_search.importing.recipe import Recipe
    from clr_search.progress import for_terminal

    asked = Recipe(
        image_size=image_size,
        resize=resize,
        fit=fit,
        filter=kernel,
        ground=_colour(ground),
        scale=scale,
        mean=_numbers(mean, "--mean"),
        std=_numbers(std, "--std"),
        channels=channels,
        layout=layout,
        output=tensor,
        pool=pool,
        prefix_tokens=prefix_tokens,
        name=name,
        licence=licence,
    )
    report = run(
        source,
        out,
        asked=asked,
        weights=weights,
        pictures=pictures,
        precision=precision,  # type: ignore[arg-type]
        portable=portable,
        whiten_on=whiten_on,
        calibrate_on=calibrate_on,
        force=force,
        reporter=for_terminal(),
    )
    _echo(report, as_json=as_json)


def _echo(report: ImportReport, *, as_json: bool) -> None:
    """Print what was written, what it was made by, and how it compares with the original."""
    from dataclasses import asdict

    written, recipe, parity = report.written, report.recipe, report.parity
    card = written.card
    if as_json:
        facts = {"path": written.path, "sha256": written.sha256, "bytes": written.bytes}
        facts |= {"layout": report.layout, "recipe": asdict(recipe), "parity": asdict(parity)}
        output.echo_json(facts | {"speed": written.speed, "card": card.summary()})
        return
    output.echo_heading(f"{output.shown(written.path)}: {output.size(written.bytes)}")
    output.echo_facts(
        [
            ("name", output.shown(card.name)),
            ("origin", output.shown(card.origin)),
            ("licence", output.shown(card.licence) or "not known: --licence keeps a note on it"),
            ("read from", report.layout or "the graph and the options alone"),
            ("geometry", _geometry(recipe)),
            ("numbers", _numbers_of(recipe)),
            ("embedding", f"{output.shown(card.descriptor)}, {card.embedding_dim:,} numbers"),
            ("weights", card.precision),
            (
                "against the original",
                f"cosine {parity.least:.5f} at least, on {parity.pictures} pictures",
            ),
            ("sha256", written.sha256),
        ]
    )


def _geometry(recipe: Recipe) -> str:
    """Return a phrase on how pictures become what the network reads."""
    cut = f", cut to {recipe.image_size}" if recipe.image_size != recipe.resize else ""
    ground = f" on {recipe.ground}" if recipe.fit == "pad" else ""
    return f"{recipe.fit} to {recipe.resize} px{ground}, {recipe.filter}{cut}"


def _numbers_of(recipe: Recipe) -> str:
    """Return a phrase on how bytes become numbers."""
    mean = ", ".join(f"{value:g}" for value in recipe.mean or ())
    std = ", ".join(f"{value:g}" for value in recipe.std or ())
    order = f"{recipe.channels}, {recipe.layout}"
    return f"times {recipe.scale:.6g}, less ({mean}), over ({std}); {order}"
