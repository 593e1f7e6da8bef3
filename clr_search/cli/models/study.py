"""``study``: repeat the experiments of the SimCLR paper on one's own pictures."""

from __future__ import annotations

from pathlib import Path

import click

from clr_search.cli import options, output
from clr_search.cli.path_lists import Listed, expand
from clr_search.cli.selecting import Chosen, selection_options
from clr_search.errors import require

EXPERIMENTS = ("augmentation", "colour", "head", "temperature", "loss", "batch", "method")


@options.command("study")
@click.argument(
    "experiments",
    metavar="EXPERIMENT...",
    nargs=-1,
    required=True,
    type=click.Choice([*EXPERIMENTS, "all"]),
)
@click.option(
    "--images",
    metavar="PATH",
    type=Listed(exists=True),
    multiple=True,
    required=True,
    help="Images to train on, in folders that are classes, or a list of files: - or @FILE; can be "
    "repeated.",
)
@click.option(
    "--test",
    metavar="PATH",
    type=Listed(exists=True),
    multiple=True,
    help="Images to test on, of the same classes.  [default: a fifth of those of --images]",
)
@selection_options()
@click.option("--out", metavar="DIR", type=options.PATH, required=True, help="The folder to write.")
@click.option(
    "--seeds",
    type=options.COUNT,
    default=3,
    show_default=True,
    help="Number of trainings of each row, with different seeds.",
)
@click.option(
    "--limit", type=options.COUNT, default=5000, show_default=True, help="Most images to train on."
)
@click.option(
    "--epochs",
    type=options.COUNT,
    default=20,
    show_default=True,
    help="Number of epochs of each training.",
)
@click.option(
    "--image-size",
    type=options.COUNT,
    default=32,
    show_default=True,
    help="Side, in pixels, of the square image that the network sees.",
)
@click.option(
    "--width",
    type=options.POSITIVE,
    default=0.25,
    show_default=True,
    help="Multiplier of the channels of ResNet-18.",
)
@click.option(
    "--batch-size",
    type=options.COUNT,
    default=256,
    show_default=True,
    help="Number of images in a step.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Device to train on: cpu, cuda or cuda:1, say; auto is CUDA where there is a GPU.",
)
@options.pixels_option()
def study(
    experiments: tuple[str, ...],
    images: tuple[Path, ...],
    test: tuple[Path, ...],
    chosen: Chosen,
    out: Path,
    seeds: int,
    limit: int,
    epochs: int,
    image_size: int,
    width: float,
    batch_size: int,
    device: str,
) -> None:
    """Repeat the experiments of the SimCLR paper.

    Each compares trainings that differ in one setting, on labelled pictures. It writes a page with
    a table, a plot, and which findings of the paper hold:

    \b
      augmentation  each alone and in pairs (Fig. 5)
      colour        strength of the colour jitter (Table 1)
      head          kind and dimension, h against z (Fig. 8)
      temperature   with and without unit length (Table 5)
      loss          NT-Xent, NT-Logistic, margin, DCL (Table 4)
      batch         batch size and epochs (Fig. 9)
      method        SimCLR, InstDisc, supervised (Fig. 1)

    The result of every training is kept: after Ctrl-C, the same command continues.

    \b
    Example:
      clr-search study loss --images cifar10/train --test cifar10/test --out study
      clr-search study all --images photos --out study --seeds 1 --epochs 10
    """
    import shlex

    require("torch", "train")
    from clr_search.progress import for_terminal
    from clr_search.train.study import cells, design, report
    from clr_search.train.study.pictures import find_pictures

    base = design.base_config(
        image_size=image_size, width=width, batch_size=batch_size, epochs=epochs, device=device
    )
    reporter = for_terminal()
    pictures = find_pictures(
        _paths("images", images),
        _paths("test", test),
        limit=limit,
        side=image_size,
        reporter=reporter,
        selection=chosen.selection,
    )
    words = [
        *(word for path in images for word in ("--images", str(path))),
        *(word for path in test for word in ("--test", str(path))),
        *("--out", str(out), *chosen.words()),
        *("--seeds", f"{seeds}", "--limit", f"{limit}", "--epochs", f"{epochs}"),
        *(
            "--image-size",
            f"{image_size}",
            "--width",
            f"{width:g}",
            "--batch-size",
            f"{batch_size}",
        ),
    ]
    names = EXPERIMENTS if "all" in experiments else tuple(dict.fromkeys(experiments))
    for name in names:
        experiment = design.experiment(name, base)
        results = cells.run(experiment, pictures, out, seeds=seeds, reporter=reporter)
        if results is None:
            click.echo("Stopped; the same command goes on from here.", err=True)
            click.get_current_context().exit(options.INTERRUPTED)
        command = shlex.join(["clr-search", "study", name, *words])
        page = report.write_report(experiment, results, base, pictures, command, out)
        click.echo(output.shown(page))


def _paths(name: str, given: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the paths of an option, with those in its lists, whose names the page tells."""
    context = click.get_current_context()
    parameter = next(one for one in context.command.params if one.name == name)
    return expand(context, parameter, given)
