"""``classify``: tell the class of pictures, or that they are of none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from clr_search.cli import options, output
from clr_search.cli.path_lists import paths_argument
from clr_search.cli.row_files import RowFile, results_output, row_file
from clr_search.cli.selecting import Chosen, selection_options
from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clr_search.images import Frame
    from clr_search.serve.pipeline import Decoded, Skipped
    from clr_search.serve.probe import Verdict


_FEW = 5
"""Of fewer neighbours, even all votes for one class say little, which is told."""


@options.command("classify")
@paths_argument("paths", "[PROBE] IMAGE...", required=True, exists=False)
@click.option(
    "--knn",
    "collection",
    metavar="COLLECTION",
    type=options.PATH,
    help="Let the nearest pictures of a collection vote instead of a PROBE.",
)
@click.option("-k", type=options.COUNT, default=3, show_default=True, help="Classes a picture.")
@click.option(
    "--out",
    metavar="FILE",
    type=options.PATH,
    callback=results_output,
    help="Write the classes to a .csv, .jsonl or .parquet file, a row a picture.",
)
@selection_options()
@options.force_option("the file")
@options.json_option()
@options.pixels_option()
def classify(
    paths: tuple[Path, ...],
    collection: Path | None,
    k: int,
    out: Path | None,
    chosen: Chosen,
    force: bool,
    as_json: bool,
) -> None:
    """Classify pictures, or all pictures in folders.

    PROBE is a probe.onnx. With --knn, no training is needed: the nearest pictures of the collection
    that have labels vote by these. A picture that is unlike all classes is "none of these". In
    JSON, "known" is then false; it is null where too few pictures are known to tell. This works
    only for pictures that were made in the same way as those with labels. A picture that cannot be
    read is reported, and the others are classified.

    A file of --out names the columns path and label, so that --labels reads it; the label of "none
    of these" is empty, and label_1 is the likeliest class in any case. Pictures that cannot be read
    have a row with the reason.

    \b
    Example:
      clr-search classify probe.onnx query.jpg
      clr-search classify probe.onnx photos/new -k 1
      clr-search classify --knn photos.clr query.jpg
      clr-search classify probe.onnx photos/new --out classes.csv
      clr-search classify probe.onnx *.jpg --json | jq -r '.predictions[0].label'
    """
    from clr_search.files.finding.find import find_images
    from clr_search.files.finding.left_out import LeftOut
    from clr_search.files.write import refuse_existing
    from clr_search.serve.pipeline import infer_files

    if out is not None:
        refuse_existing(out, force=force)
    classifier = _by_vote(collection) if collection else _by_probe(paths[0])
    images = paths if collection else paths[1:]
    if not images:
        raise click.UsageError("Missing argument 'IMAGE...': what to classify.")
    left_out = LeftOut()
    files = [image.path for image in find_images(images, left_out, chosen.selection)]
    output.complain_of(left_out, options=True)
    failed = bool(left_out.folders)
    shown = _Shown(k, as_json=as_json, several=len(files) > 1 and k > 1, quiet=out is not None)
    results = chain.from_iterable(infer_files(classifier.verdicts, classifier.frame, files))
    with nullcontext() if out is None else row_file(out, _columns(k)) as file:
        for one in results:
            failed |= not _tell(one, shown, file)
    if out is not None:
        click.echo(f"{output.shown(out)}: {output.count(len(files), 'picture')}", err=True)
    if failed:
        click.get_current_context().exit(1)


class _Shown(NamedTuple):
    """How verdicts are printed: k classes of each, as JSON, under headings, or not at all."""

    k: int
    as_json: bool
    several: bool
    quiet: bool


def _tell(one: Skipped | tuple[Decoded, Verdict], shown: _Shown, file: RowFile | None) -> bool:
    """Print and write the verdict on a picture, or why it has none; return whether it has one."""
    from clr_search.serve.pipeline import Skipped

    if isinstance(one, Skipped):
        output.complain(
            ClrSearchError(f"{output.shown(one.path)} cannot be classified: {one.reason}.")
        )
        if file is not None:
            reason = {"path": one.path, "reason": one.reason}
            file.add(reason, [reason])
        return False
    picture, verdict = one
    if not shown.quiet or shown.as_json:
        _show(picture.path, verdict, shown)
    if file is not None:
        file.add(_answer(picture.path, verdict, shown.k), [_row(picture.path, verdict, shown.k)])
    return True


def _columns(k: int) -> dict[str, type]:
    """Return the columns of a file of --out."""
    columns: dict[str, type] = {"path": str, "label": str, "known": bool}
    columns |= {"measure": str, "value": float}
    for rank in range(1, k + 1):
        columns |= {f"label_{rank}": str, f"probability_{rank}": float}
    return columns | {"reason": str}


def _row(path: Path, verdict: Verdict, k: int) -> dict[str, Any]:
    """Return the row of one picture."""
    best = verdict.best(k)
    row: dict[str, Any] = {
        "path": path,
        "label": "" if verdict.known is False else best[0][0],
        "known": verdict.known,
        "measure": verdict.measure,
        "value": verdict.value,
    }
    for rank, (name, share) in enumerate(best, start=1):
        row |= {f"label_{rank}": name, f"probability_{rank}": share}
    return row


def _answer(path: Path, verdict: Verdict, k: int) -> dict[str, Any]:
    """Return the verdict on one picture, as ``--json`` prints it."""
    predictions = [{"label": name, "probability": share} for name, share in verdict.best(k)]
    answer = {"path": path, "predictions": predictions, "known": verdict.known}
    return answer | {verdict.measure: verdict.value}


class Classifier(NamedTuple):
    """A function that classifies squares, and their side.

    Attributes
    ----------
    frame : Frame
        How a picture becomes a square of side S.
    verdicts : callable
        A function that returns N verdicts for N squares, uint8 (N, S, S, 3).
    """

    frame: Frame
    verdicts: Callable[[NDArray[np.uint8]], list[Verdict]]


def _by_probe(model: Path) -> Classifier:
    """Return the classifier of a probe.onnx."""
    from clr_search.serve import Probe

    probe = Probe(model)
    return Classifier(probe.card.frame, probe.classify)


def _by_vote(collection: Path) -> Classifier:
    """Return a classifier by the votes of the nearest of a collection, which stays open so long."""
    from clr_search.analysis.knn_classifier import KnnClassifier
    from clr_search.index import Index
    from clr_search.progress import Lines

    index = click.get_current_context().with_resource(Index.open(collection, reporter=Lines()))
    classifier, encoder = KnnClassifier(index), index.encoder
    if classifier.neighbours < _FEW:
        votes = output.count(classifier.neighbours, "picture")
        click.echo(f"Only {votes} at a time can vote: these shares say little.", err=True)

    def vote(squares: NDArray[np.uint8]) -> list[Verdict]:
        return classifier.vote(encoder.encode_squares(squares))

    return Classifier(encoder.frame, vote)


def _show(path: Path, verdict: Verdict, shown: _Shown) -> None:
    """Print the verdict on one picture."""
    if shown.as_json:
        output.echo_json(_answer(path, verdict, shown.k))
    elif verdict.known is False:
        _print_none(path, verdict, several=shown.several)
    else:
        _print_classes(path, verdict.best(shown.k), several=shown.several)


def _print_classes(path: Path, best: Sequence[tuple[str, float]], *, several: bool) -> None:
    """Print the most probable classes of a picture."""
    right = output.Column(right=True, style="cyan")
    rows = [[f"{probability:.3f}", name] for name, probability in best]
    if len(best) == 1:
        click.echo(f"{rows[0][0]}  {rows[0][1]}  {output.shown(path)}")
        return
    if several:
        output.echo_heading(output.shown(path))
    output.echo_table([right, output.Column(style="green")], rows, indent=2)


def _print_none(path: Path, verdict: Verdict, *, several: bool) -> None:
    """Print that a picture is of no class, with the measure that decided it."""
    text = f"none of these  ({verdict.measure} {verdict.value:.2f})"
    if several:
        output.echo_heading(output.shown(path))
        click.echo(f"  {text}")
    else:
        click.echo(f"{text}  {output.shown(path)}")
