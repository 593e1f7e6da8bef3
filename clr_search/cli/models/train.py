"""``train``: a folder of images becomes a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import options, output
from clr_search.errors import require

if TYPE_CHECKING:
    from clr_search.train import TrainConfig, TrainResult


@options.command("train")
@click.argument("images", metavar="IMAGES...", nargs=-1, required=True, type=options.EXISTING)
@click.option("--out", metavar="RUN", type=options.PATH, required=True, help="The folder to write.")
@click.option(
    "--preset",
    type=click.Choice(["photos-small", "photos", "adapt", "cifar10", "imagenette"]),
    help="Settings that belong together, before those given here; photos-small is for a few "
    "thousand and a processor.  [default: adapt with --init]",
)
@click.option(
    "--init",
    metavar="WEIGHTS",
    help="Begin with what was learned before: default, which is the encoder that comes with the "
    "package, a run, or a weights.safetensors.",
)
@click.option(
    "--method",
    type=click.Choice(["simclr", "instdisc", "supervised"]),
    help="How it learns; supervised takes the folders as classes.  [default: simclr]",
)
@click.option("--epochs", type=options.COUNT, help="Passes over the images.  [default: 100]")
@click.option(
    "--minutes",
    type=options.POSITIVE,
    help="Instead of --epochs: train for about so long.",
)
@click.option(
    "--patience",
    type=options.COUNT,
    help="Hold pictures out, and stop after so many epochs that tell them apart no better.",
)
@click.option(
    "--average",
    metavar="DECAY",
    type=options.POSITIVE,
    help="Keep a moving average of the weights, with this decay (0.999, say), instead of the last.",
)
@click.option(
    "--compile",
    "compile_network",
    is_flag=True,
    default=None,
    help="Let torch compile the network, which takes minutes at first; for a GPU.",
)
@click.option(
    "--image-size",
    type=options.COUNT,
    help="Side in pixels of the square that the network sees.  [default: 64]",
)
@click.option(
    "--grow-from",
    type=options.COUNT,
    help="Side of the first epochs' views, which grow to --image-size: less time for each.",
)
@click.option(
    "--local-views",
    type=options.COUNT,
    help="Multi-crop: so many further small views of small parts of each image, which are to find "
    "its other two.  [default: none]",
)
@click.option(
    "--local-size",
    type=options.COUNT,
    help="Side of the local views.  [default: half of --image-size]",
)
@click.option(
    "--architecture",
    type=click.Choice(["resnet18", "resnet34", "resnet50"]),
    help="The network.  [default: resnet18]",
)
@click.option(
    "--width",
    type=options.POSITIVE,
    help="Multiple of its channels: 0.25, 0.5, 1, 2 or 4.  [default: 1]",
)
@click.option(
    "--head",
    type=click.Choice(["nonlinear", "linear", "none"]),
    help="The projection head.  [default: nonlinear]",
)
@click.option(
    "--head-hidden",
    type=options.COUNT,
    help="Width of its hidden layer.  [default: that of the network's output]",
)
@click.option(
    "--norm",
    type=click.Choice(["batch", "group"]),
    help="Normalisation; by group, no image depends on its batch.  [default: batch]",
)
@click.option(
    "--batch-size", type=options.COUNT, help="Images a step.  [default: 256, or all if fewer]"
)
@click.option(
    "--micro-batch",
    type=options.COUNT,
    help="Images in the network at once: memory for so many, whatever the batch.",
)
@click.option(
    "--loss",
    type=click.Choice(
        ["nt-xent", "dcl", "nt-logistic", "nt-logistic-semi-hard", "margin", "margin-semi-hard"]
    ),
    help="What SimCLR minimises.  [default: nt-xent]",
)
@click.option("--temperature", type=options.POSITIVE, help="Of the loss.  [default: 0.1]")
@click.option("--margin", type=options.POSITIVE, help="Of the margin losses.  [default: 0.4]")
@click.option("--no-l2", is_flag=True, help="Compare projections by dot product instead of cosine.")
@click.option(
    "--negatives",
    type=options.COUNT,
    help="Of instdisc: images that NCE draws a step.  [default: the softmax over all]",
)
@click.option(
    "--colour-strength",
    type=options.POSITIVE,
    help="Of the colour jitter.  [default: 1; 0.5 up to 48 pixels]",
)
@click.option(
    "--optimizer",
    type=click.Choice(["auto", "lars", "sgd", "adamw"]),
    help="LARS is the paper's, for large batches.  [default: auto]",
)
@click.option(
    "--learning-rate", type=options.POSITIVE, help="Its peak.  [default: by the batch size]"
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    help="Number format of the network.  [default: auto]",
)
@click.option("--device", help="Where to compute: cpu, cuda, cuda:1.  [default: auto]")
@click.option("--seed", type=options.SEED, help="Of all randomness.  [default: 0]")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, with its settings.")
@options.force_option("the run in --out")
@options.json_option()
def train(
    images: tuple[Path, ...],
    out: Path,
    preset: str | None,
    init: str | None,
    method: str | None,
    epochs: int | None,
    minutes: float | None,
    patience: int | None,
    average: float | None,
    compile_network: bool | None,
    image_size: int | None,
    grow_from: int | None,
    local_views: int | None,
    local_size: int | None,
    architecture: str | None,
    width: float | None,
    head: str | None,
    head_hidden: int | None,
    norm: str | None,
    batch_size: int | None,
    micro_batch: int | None,
    loss: str | None,
    temperature: float | None,
    margin: float | None,
    no_l2: bool,
    negatives: int | None,
    colour_strength: float | None,
    optimizer: str | None,
    learning_rate: float | None,
    precision: str | None,
    device: str | None,
    seed: int | None,
    resume: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Train an encoder on images without labels, by SimCLR.

    Folders are searched for images. Ctrl-C saves and stops; --resume goes on exactly as if nothing
    had happened. Where the folders' names are classes, they are used to report accuracy, and for
    nothing else, unless the method is supervised. Several processes train as one when started with
    `torchrun --nproc-per-node 4 -m clr_search train …`.

    \b
    Example:
      clr-search train photos --out run --preset photos-small --minutes 30
      clr-search train photos --out run --init default --minutes 10
      clr-search train photos --out run --image-size 128 --epochs 200
      clr-search train photos --out run --batch-size 8192 --micro-batch 128
      clr-search train photos --out run --resume
    """
    import shlex

    from clr_search.files.write import refuse_existing
    from clr_search.progress import for_terminal

    if epochs is not None and minutes is not None:
        raise click.UsageError("Give either --epochs or --minutes.")
    if resume and (preset or init) is not None:
        name = "preset" if init is None else "init"
        raise click.UsageError(f"A run goes on with its own settings: leave out --{name}.")
    if resume and force:
        raise click.UsageError("Give either --resume or --force.")
    if not resume and (out / "config.json").exists():  # before torch takes seconds to load
        refuse_existing(out, force=force)
    settings = {
        "init": init,
        "method": method,
        "epochs": epochs,
        "seconds": None if minutes is None else 60 * minutes,
        "patience": patience,
        "average": average,
        "compile": compile_network,
        "image_size": image_size,
        "grow_from": grow_from,
        "local_views": local_views,
        "local_size": local_size,
        "architecture": architecture,
        "width": width,
        "head": head,
        "head_hidden": head_hidden,
        "norm": norm,
        "batch_size": batch_size,
        "micro_batch": micro_batch,
        "loss": loss,
        "temperature": temperature,
        "margin": margin,
        "normalise": False if no_l2 else None,
        "negatives": negatives,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "precision": precision,
        "device": device,
        "seed": seed,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    if margin is not None and not resume and not str(loss).startswith("margin"):
        raise click.UsageError("--margin is of the margin losses: give --loss margin, too.")
    if head_hidden is not None and (head in ("linear", "none") or method == "supervised"):
        raise click.UsageError("--head-hidden is of the nonlinear head, and this is to have none.")
    config = _config(out, preset, given, colour_strength, resume=resume)
    require("torch", "train")
    from clr_search.train import train as run

    result = run(images, out, config, resume=resume, force=force, reporter=for_terminal())
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts
    if first:
        _print(result, as_json=as_json)
    if result.interrupted and first:
        words = ["clr-search", "train", *map(str, images), "--out", str(out), "--resume"]
        command = shlex.join(words)
        click.echo(f"Stopped and saved. Go on with: {command}", err=True)
    if result.interrupted:
        click.get_current_context().exit(options.INTERRUPTED)


def _config(
    out: Path,
    preset: str | None,
    given: dict[str, Any],
    colour_strength: float | None,
    *,
    resume: bool,
) -> TrainConfig:
    """Settings given here; what is not given is the preset's, or that of the run that goes on."""
    from dataclasses import replace

    from clr_search.train.settings import presets
    from clr_search.train.settings.choices import augmentation_for
    from clr_search.train.settings.config import ResolvedConfig, TrainConfig

    stored = out / "config.json"
    if preset is None and "init" in given:
        preset = "adapt"
    base = TrainConfig() if preset is None else presets.preset(preset).config
    if "init" in given:
        require("torch", "train")  # by which the file is read
        from clr_search.train.network.initial import continued

        base = continued(replace(base, init=given["init"]))
    if "seconds" in given:
        base = replace(base, epochs=None)
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # that torchrun starts
    base = presets.without_unused(base, given.get("method", base.method), processes)
    if resume and stored.is_file():
        base = ResolvedConfig.from_json(stored.read_text(encoding="utf-8"), str(stored))
    config = replace(base, **given)
    if colour_strength is None:
        return config
    augmentation = config.augmentation or augmentation_for(config.image_size)
    return replace(config, augmentation=replace(augmentation, strength=colour_strength))


def _print(result: TrainResult, *, as_json: bool) -> None:
    if as_json:
        output.echo_json(
            {
                "run": result.run,
                "epochs": result.epochs,
                "steps": result.steps,
                "seconds": round(result.seconds, 3),
                "loss": result.loss,
                "images_per_second": result.images_per_second,
                "knn_accuracy": result.knn_accuracy,
                "interrupted": result.interrupted,
                "skipped": [{"path": path, "reason": why} for path, why in result.skipped],
            }
        )
        return
    speed = result.images_per_second
    output.echo_heading(f"{output.shown(result.run)}: {output.count(result.epochs, 'epoch')}")
    output.echo_facts(
        [
            ("loss", "" if result.loss is None else f"{result.loss:.4g}"),
            ("kNN accuracy", output.share(result.knn_accuracy)),
            ("time", output.duration(result.seconds)),
            ("speed", "" if speed is None else f"{speed:,.1f} images/s"),
            ("next", f"clr-search export {output.shown(result.run)} --out encoder.onnx"),
        ]
    )
    output.echo_skipped([(Path(path), why) for path, why in result.skipped], verbose=False)
