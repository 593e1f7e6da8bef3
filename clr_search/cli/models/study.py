"""``study``: repeat the experiments of the SimCLR paper on one's own pictures."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import options, output
from clr_search.cli.path_lists import Listed, expand
from clr_search.cli.selecting import Chosen, selection_options
from clr_search.errors import require

if TYPE_CHECKING:
    from clr_search.train.study.experiment import Experiment
    from clr_search.train.study.pictures import Pictures
    from clr_search.train.study.scope import Scope
    from clr_search.train.study.store import Training
    from clr_search.train.study.workers import Outcome

EXPERIMENTS = ("augmentation", "head", "temperature", "batch", "colour", "size", "loss", "method")

_USUAL = 20  # epochs, where no length is given


class Lengths(click.ParamType):  # type: ignore[type-arg]  # generic since 8.3 only
    """Numbers of epochs, separated by commas, in ascending order.

    Examples
    --------
    >>> Lengths().convert("60,5,20", None, None)
    (5, 20, 60)
    """

    name = "n,…"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse a value, or fail with a message that names the right form."""
        numbers = {options.COUNT.convert(text, param, ctx) for text in str(value).split(",")}
        return tuple(sorted(numbers))


@options.command("study")
@click.argument(
    "experiments",
    metavar="EXPERIMENT...",
    nargs=-1,
    required=True,
    type=click.Choice(["insights", *EXPERIMENTS, "all"]),
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
    "--lengths",
    metavar="N,N,…",
    type=Lengths(),
    help="Numbers of epochs of the trainings; with several, the pages show from which on a finding "
    "holds.  [default: 20]",
)
@click.option("--epochs", type=options.COUNT, help="The same for one number of epochs.")
@click.option("--core", is_flag=True, help="Only what the four insights need.")
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
@click.option(
    "--threads",
    type=options.COUNT,
    default=1,
    show_default=True,
    help="Threads of the processor for each training.",
)
@click.option(
    "--jobs", type=options.COUNT, default=1, show_default=True, help="Trainings at a time."
)
@click.option(
    "--hours", type=options.POSITIVE, help="Stop after this time; the same command goes on."
)
@click.option("--plan", is_flag=True, help="Tell how long it would take, and train nothing.")
@options.pixels_option()
def study(
    experiments: tuple[str, ...],
    images: tuple[Path, ...],
    test: tuple[Path, ...],
    chosen: Chosen,
    out: Path,
    seeds: int,
    limit: int,
    lengths: tuple[int, ...] | None,
    epochs: int | None,
    core: bool,
    image_size: int,
    width: float,
    batch_size: int,
    device: str,
    threads: int,
    jobs: int,
    hours: float | None,
    plan: bool,
) -> None:
    """Repeat the experiments of the SimCLR paper.

    Each compares trainings that differ in one setting, on labelled pictures. It writes a page with
    a plot, tables, and which findings of the paper hold, with several --lengths from which on:

    \b
      augmentation  each alone and in pairs (Fig. 5)
      head          kind and dimension, h against z (Fig. 8)
      temperature   with and without unit length (Table 5)
      batch         batch size (Fig. 9)
      colour        strength of the colour jitter (Table 1)
      size          width and depth of the network (Fig. 7)
      loss          NT-Xent, NT-Logistic, margin, DCL (Table 4)
      method        SimCLR, InstDisc, supervised (Fig. 1)
      insights      what the four insights need of the first six

    A training that several experiments share is done once, and its result is kept. After Ctrl-C, or
    a crash, the same command continues where it stopped, and several processes may work on one
    folder: each takes what no other is at.

    \b
    Example:
      clr-search study loss --images cifar10/train --test cifar10/test --out study
      clr-search study insights --images photos --out study --lengths 5,20,60 --plan
    """
    require("torch", "train")
    from clr_search.progress import for_terminal
    from clr_search.train.study import design, workers
    from clr_search.train.study.pictures import find_pictures
    from clr_search.train.study.scope import Scope

    if epochs and lengths:
        raise click.UsageError("--epochs and --lengths say the same; give one of them.")
    lengths = lengths or (epochs or _USUAL,)
    base = design.base_config(
        image_size=image_size, width=width, batch_size=batch_size, device=device
    )
    wanted = design.chosen(experiments, base, core=core)
    reporter = for_terminal()
    pictures = find_pictures(
        _paths("images", images),
        _paths("test", test),
        limit=limit,
        side=image_size,
        reporter=reporter,
        selection=chosen.selection,
    )
    scope = Scope(
        pictures_sha256=pictures.sha256,
        images=len(pictures.train),
        tested=len(pictures.test),
        classes=len(pictures.train.classes),
        image_size=image_size,
        width=width,
        batch_size=batch_size,
        lengths=lengths,
        seeds=seeds,
        command=_command(chosen, lengths),
    )
    trainings = scope.trainings(wanted)
    if plan:
        _plan(trainings, pictures, out, threads, jobs)
        return
    outcome = workers.work(
        trainings, pictures, out, threads=threads, jobs=jobs, hours=hours, reporter=reporter
    )
    _write_pages(wanted, scope, out)
    _tell(outcome, len(trainings))


def _command(chosen: Chosen, lengths: tuple[int, ...]) -> str:
    """The command that makes the study again, with EXPERIMENT in place of their names."""
    context = click.get_current_context()
    given = context.params
    words = [
        *(word for path in given["images"] for word in ("--images", str(path))),
        *(word for path in given["test"] for word in ("--test", str(path))),
        *("--out", str(given["out"]), *chosen.words()),
        *("--seeds", f"{given['seeds']}", "--limit", f"{given['limit']}"),
        *("--lengths", ",".join(map(str, lengths))),
        *("--image-size", f"{given['image_size']}", "--width", f"{given['width']:g}"),
        *("--batch-size", f"{given['batch_size']}"),
        *(["--core"] if given["core"] else []),
    ]
    command = shlex.join(["clr-search", "study", "EXPERIMENT", *words])
    # A path need be no text; the pages that show it are, with such bytes as escapes.
    return command.encode("utf-8", "backslashreplace").decode()


def _plan(
    trainings: Sequence[Training], pictures: Pictures, out: Path, threads: int, jobs: int
) -> None:
    """Print what is to be trained, how fast this machine is, and how long it would take."""
    from clr_search.train.study import cost
    from clr_search.train.study.store import Store

    open_ones = trainings
    if out.exists():  # a plan writes nothing
        store = Store(out)
        open_ones = [one for one in trainings if store.result(one) is None]
    click.echo(f"{len(trainings):,} trainings, of which {len(open_ones):,} have no result yet.")
    priced = list(zip(open_ones, cost.costs(open_ones, pictures, threads), strict=True))
    click.echo("\nepochs   trainings   hours   pictures/s")
    sums = 0.0
    for length in sorted({one.config.epochs for one in open_ones}):
        here = [price for one, price in priced if one.config.epochs == length]
        hours = sum(price.seconds for price in here) / 3600
        slow, fast = min(price.rate for price in here), max(price.rate for price in here)
        rates = f"{slow:,.0f} to {fast:,.0f}"
        click.echo(f"{length:6,}{len(here):12,} {hours:7.1f}   {rates}")
        sums += hours
    click.echo(
        f"\n{sums:.1f} hours with {threads} thread{'s' if threads > 1 else ''} a training, one "
        f"after the other; {sums / jobs:.1f} with {jobs} at a time, if that many cores are free."
    )


def _write_pages(experiments: Sequence[Experiment], scope: Scope, out: Path) -> None:
    """Write the page of each experiment that has a result, and print its name."""
    from clr_search.files.write import write_atomically
    from clr_search.train.study.report.effects import gathered
    from clr_search.train.study.report.page import write_page
    from clr_search.train.study.scope import SCOPE
    from clr_search.train.study.store import Store

    store = Store(out)
    write_atomically(out / SCOPE, scope.to_json())
    for one in experiments:
        results = gathered(one, scope, store)
        if results:
            click.echo(output.shown(write_page(one, results, scope, out)))


def _tell(outcome: Outcome, count: int) -> None:
    """Say what is missing, and end with the exit code of an interruption if there was one."""
    missing = count - outcome.done
    if outcome.interrupted:
        click.echo("Stopped; the same command goes on from here.", err=True)
        click.get_current_context().exit(options.INTERRUPTED)
    if outcome.time_over:
        click.echo(
            f"The time is over, and {missing:,} of {count:,} trainings are missing; the same "
            "command goes on.",
            err=True,
        )
    elif missing:
        click.echo(
            f"{missing:,} of {count:,} trainings are being done by other processes; the same "
            "command writes the pages with them.",
            err=True,
        )


def _paths(name: str, given: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the paths of an option, with those in its lists, whose names the page tells."""
    context = click.get_current_context()
    parameter = next(one for one in context.command.params if one.name == name)
    return expand(context, parameter, given)
