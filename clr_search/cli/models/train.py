"""``train``: a folder of images becomes a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from clr_search.cli import options, output
from clr_search.cli.models.settings import Given, setting_options
from clr_search.cli.path_lists import paths_argument
from clr_search.cli.selecting import Chosen, selection_options
from clr_search.errors import require
from clr_search.train.settings import presets
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.presets import PresetName
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.settings.zoo import of_timm

if TYPE_CHECKING:
    from clr_search.train import TrainResult


@options.command("train")
@paths_argument("images", "IMAGES...", required=True)
@click.option("--out", metavar="RUN", type=options.PATH, required=True, help="The folder to write.")
@click.option(
    "--preset",
    type=click.Choice(get_args(PresetName)),
    help="Start from settings that belong together, which the options below replace; photos-small "
    "is for a few thousand images and no GPU.  [default: adapt with --init, and adapt-others with "
    "--init of others]",
)
@setting_options()
@selection_options()
@click.option(
    "--resume", is_flag=True, help="Resume the run in --out, with the same settings and images."
)
@options.force_option("the run in --out")
@options.json_option()
@options.pixels_option()
def train(
    images: tuple[Path, ...],
    out: Path,
    preset: str | None,
    given: Given,
    chosen: Chosen,
    resume: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Train an encoder on images without labels, by SimCLR.

    Folders are searched for images. Ctrl-C saves and stops; --resume goes on exactly as if nothing
    had happened. Folders whose names are classes are used to report accuracy only, unless the
    method is supervised. Several processes train as one if they are started by `torchrun
    --nproc-per-node 4 -m clr_search train …`.

    \b
    Example:
      clr-search train photos --out run --preset photos-small --minutes 30
      clr-search train photos --out run --init default --minutes 10
      clr-search train photos --out run --teacher large.onnx --minutes 15
      clr-search train photos --out run --image-size 128 --epochs 200
      clr-search train photos --out run --batch-size 8192 --micro-batch 128
      clr-search train photos --out run --architecture timm:vit_tiny_patch16_224
      clr-search train photos --out run --init torchvision:resnet18 --minutes 10
      clr-search train photos --out run --resume
    """
    import shlex

    from clr_search.files.write import refuse_existing
    from clr_search.progress import for_terminal

    _check_combination(preset, given.training, resume=resume, force=force)
    if not resume and (out / "config.json").exists():  # before torch takes seconds to load
        refuse_existing(out, force=force)
    config = _config(out, preset, given, resume=resume)
    require("torch", "train")
    from clr_search.train import train as run

    result = run(
        images,
        out,
        config,
        resume=resume,
        force=force,
        reporter=for_terminal(),
        selection=chosen.selection,
    )
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts
    if first:
        _print(result, as_json=as_json)
    if result.interrupted and first:
        words = ["clr-search", "train", *map(str, images), "--out", str(out)]
        words += [*chosen.words(), "--resume"]
        command = shlex.join(words)
        click.echo(f"Stopped and saved. Go on with: {command}", err=True)
    if result.interrupted:
        click.get_current_context().exit(options.INTERRUPTED)


def _check_combination(
    preset: str | None, given: Mapping[str, Any], *, resume: bool, force: bool
) -> None:
    """Refuse options that exclude each other."""
    if "epochs" in given and "seconds" in given:
        raise click.UsageError("Give either --epochs or --minutes.")
    if resume and (preset is not None or "init" in given):
        name = "init" if "init" in given else "preset"
        raise click.UsageError(f"A run goes on with its own settings: leave out --{name}.")
    if resume and force:
        raise click.UsageError("Give either --resume or --force.")
    if "margin" in given and not resume and not given.get("loss", "").startswith("margin"):
        raise click.UsageError("--margin is of the margin losses: give --loss margin, too.")
    no_hidden_layer = given.get("head") in ("linear", "none") or given.get("method") == "supervised"
    if "head_hidden" in given and no_hidden_layer:
        raise click.UsageError("--head-hidden is of the nonlinear head, and this is to have none.")


def _config(out: Path, preset: str | None, given: Given, *, resume: bool) -> TrainConfig:
    """The settings given, and for all others those of the preset or of the run that is resumed."""
    stored = out / "config.json"
    if resume and stored.is_file():
        return given.applied_to(ResolvedConfig.from_file(stored))
    init = given.training.get("init")
    if init is not None:
        require("torch", "train")  # by which the file is read
        from clr_search.train.network.initial import continued, of_others

        preset = preset or ("adapt-others" if of_others(init) else "adapt")
    base = TrainConfig() if preset is None else presets.preset(preset).config
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # set by torchrun
    method = given.training.get("method", base.method)
    alone = "teacher" in given.training and given.training.get("teacher_weight", 1.0) == 1
    network = given.training.get("architecture", init if of_timm(init or "") else None)
    if network is not None:
        base = presets.without_unused(base, method, processes, alone=alone, architecture=network)
    if init is not None:
        base = continued(replace(base, init=init))
    if "seconds" in given.training:
        base = replace(base, epochs=None)
    return given.applied_to(presets.without_unused(base, method, processes, alone=alone))


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
            (
                "next",
                f"clr-search export {output.shown(result.run)} --out encoder.onnx"
                if result.epochs
                else "",
            ),
        ]
    )
    output.echo_skipped([(Path(path), why) for path, why in result.skipped], verbose=False)
