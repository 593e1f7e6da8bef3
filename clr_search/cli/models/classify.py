"""``classify``: tell the class of pictures, or that they are of none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from clr_search.cli import options, output
from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clr_search.serve.probe import Verdict


@options.command("classify")
@click.argument("paths", metavar="[PROBE] IMAGE...", nargs=-1, required=True, type=options.PATH)
@click.option(
    "--knn",
    "collection",
    metavar="COLLECTION",
    type=options.PATH,
    help="Let the nearest pictures of a collection vote instead of a PROBE.",
)
@click.option("-k", type=options.COUNT, default=3, show_default=True, help="Classes a picture.")
@options.json_option()
@options.pixels_option()
def classify(paths: tuple[Path, ...], collection: Path | None, k: int, as_json: bool) -> None:
    """Classify pictures, or all pictures in folders.

    PROBE is a probe.onnx. With --knn, no training is needed: the nearest pictures of the collection
    vote by their folders. A picture that is unlike all classes is "none of these". In JSON, "known"
    is then false; it is null where the probe cannot tell. This works only for pictures that were
    made in the same way as those the probe was fitted on. A picture that cannot be read is
    reported, and the others are classified.

    \b
    Example:
      clr-search classify probe.onnx query.jpg
      clr-search classify probe.onnx photos/new -k 1
      clr-search classify --knn photos.clr query.jpg
      clr-search classify probe.onnx *.jpg --json | jq -r '.predictions[0].label'
    """
    from clr_search.files.find import find_images
    from clr_search.files.left_out import LeftOut
    from clr_search.serve.pipeline import Skipped, infer_files

    classifier = _by_vote(collection) if collection else _by_probe(paths[0])
    images = paths if collection else paths[1:]
    if not images:
        raise click.UsageError("Missing argument 'IMAGE...': what to classify.")
    left_out = LeftOut()
    files = [image.path for image in find_images(images, left_out)]
    output.complain_of(left_out)
    failed = bool(left_out.folders)
    several = len(files) > 1 and k > 1
    for batch in infer_files(classifier.verdicts, classifier.size, files):
        for one in batch:
            if isinstance(one, Skipped):
                failed = True
                what = f"{output.shown(one.path)} cannot be classified: {one.reason}."
                output.complain(ClrSearchError(what))
            else:
                file, verdict = one
                _show(file.path, verdict, k, as_json=as_json, several=several)
    if failed:
        click.get_current_context().exit(1)


class Classifier(NamedTuple):
    """A function that classifies squares, and their side.

    Attributes
    ----------
    size : int
        Side S of the squares in pixels.
    verdicts : callable
        A function that returns N verdicts for N squares, uint8 (N, S, S, 3).
    """

    size: int
    verdicts: Callable[[NDArray[np.uint8]], list[Verdict]]


def _by_probe(model: Path) -> Classifier:
    """Return the classifier of a probe.onnx."""
    from clr_search.serve import Probe

    probe = Probe(model)
    return Classifier(probe.card.image_size, probe.classify)


def _by_vote(collection: Path) -> Classifier:
    """Return a classifier by the votes of the nearest of a collection, which stays open so long."""
    from clr_search.analysis.knn_classifier import KnnClassifier
    from clr_search.index import Index
    from clr_search.progress import Lines

    index = click.get_current_context().with_resource(Index.open(collection, reporter=Lines()))
    classifier, encoder = KnnClassifier(index), index.encoder

    def vote(squares: NDArray[np.uint8]) -> list[Verdict]:
        return classifier.vote(encoder.encode_squares(squares))

    return Classifier(encoder.image_size, vote)


def _show(path: Path, verdict: Verdict, k: int, *, as_json: bool, several: bool) -> None:
    """Print the verdict on one picture; `several` is true for several lines a picture."""
    best = verdict.best(k)
    if as_json:
        predictions = [{"label": name, "probability": share} for name, share in best]
        answer = {"path": path, "predictions": predictions, "known": verdict.known}
        output.echo_json(answer | {verdict.measure: verdict.value})
    elif verdict.known is False:
        _print_none(path, verdict, several=several)
    else:
        _print_classes(path, best, several=several)


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
