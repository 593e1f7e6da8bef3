"""``classify``: which class a picture is of, if any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from clr_search.cli import options, output
from clr_search.errors import ClrSearchError, ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH = 64


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
def classify(paths: tuple[Path, ...], collection: Path | None, k: int, as_json: bool) -> None:
    """Classify pictures, or all pictures in folders.

    PROBE is a probe.onnx. With --knn, no training is needed: the nearest pictures of the collection
    vote by their folders. A picture unlike all classes is "none of these" (in JSON, "known" is
    false; null, where the probe cannot tell): for that, the probe's own pictures must have been
    made in the same way. A picture that cannot be read is reported, and the others are classified.

    \b
    Example:
      clr-search classify probe.onnx query.jpg
      clr-search classify probe.onnx photos/new -k 1
      clr-search classify --knn photos.clr query.jpg
      clr-search classify probe.onnx *.jpg --json | jq -r '.predictions[0].label'
    """
    from clr_search.files.find import find_images
    from clr_search.files.overlooked import Overlooked

    size, predict = _by_vote(collection) if collection else _by_probe(paths[0])
    images = paths if collection else paths[1:]
    if not images:
        raise click.UsageError("Missing argument 'IMAGE...': what to classify.")
    overlooked = Overlooked()
    files = [image.path for image in find_images(images, overlooked)]
    output.complain_of(overlooked)
    failed = bool(overlooked.folders)
    for path, outcome in _classified(size, predict, files):
        if isinstance(outcome, ImageError):
            failed = True
            output.complain(
                ClrSearchError(f"{output.shown(path)} cannot be classified: {outcome.what}.")
            )
            continue
        best = sorted(outcome.chances, key=lambda pair: -pair[1])[:k]
        if as_json:
            predictions = [{"label": name, "probability": chance} for name, chance in best]
            answer = {"path": path, "predictions": predictions, "known": outcome.known}
            output.echo_json(answer | {outcome.measure: outcome.far})
        elif outcome.known is False:
            _print_none(path, outcome, several=len(files) > 1 and k > 1)
        else:
            _print_classes(path, best, several=len(files) > 1 and k > 1)
    if failed:
        click.get_current_context().exit(1)


class Prediction(NamedTuple):
    """Classes with their probabilities, and whether the picture is of any of them, if one knows.

    `far` is what tells: the measure named `measure`.
    """

    chances: list[tuple[str, float]]
    known: bool | None
    measure: str
    far: float | None


Predict = Callable[["NDArray[np.uint8]"], list[Prediction]]
"""Of squares, uint8 (n, S, S, 3)."""


def _by_probe(model: Path) -> tuple[int, Predict]:
    """S, and how to classify."""
    from clr_search.serve import Probe

    classifier = Probe(model)

    def predict(squares: NDArray[np.uint8]) -> list[Prediction]:
        rows, novelty = classifier.examine(squares)
        far = [None] * len(rows) if novelty is None else novelty.tolist()
        return [
            Prediction(
                list(zip(classifier.classes, row, strict=True)),
                None if new is None else new <= 1,
                "novelty",
                new,
            )
            for row, new in zip(rows.tolist(), far, strict=True)
        ]

    return classifier.card.image_size, predict


def _by_vote(collection: Path) -> tuple[int, Predict]:
    """As `_by_probe`, by the nearest of a collection."""
    from clr_search.analysis.knn_classifier import Voters
    from clr_search.index import Index
    from clr_search.progress import Lines

    index = Index.open(collection, reporter=Lines())
    voters, encoder = Voters(index), index.encoder

    def predict(squares: NDArray[np.uint8]) -> list[Prediction]:
        ballots = voters.vote(encoder.encode_squares(squares))
        return [
            Prediction(ballot.shares, ballot.known, "nearest", ballot.nearest) for ballot in ballots
        ]

    return encoder.image_size, predict


def _classified(
    size: int, predict: Predict, files: Sequence[Path]
) -> Iterator[tuple[Path, Prediction | ImageError]]:
    """Files in their order, each with its classes and probabilities, or why it has none."""
    import numpy as np

    from clr_search import images

    remaining = iter(files)
    while batch := list(islice(remaining, _BATCH)):
        outcomes: dict[Path, Any] = {}
        for path in batch:
            try:
                outcomes[path] = images.decode_square(images.read(path)[0], size).pixels
            except ImageError as error:
                outcomes[path] = error
        good = [path for path in batch if not isinstance(outcomes[path], ImageError)]
        if good:
            found = predict(np.stack([outcomes[path] for path in good]))
            outcomes.update(zip(good, found, strict=True))
        yield from outcomes.items()


def _print_classes(path: Path, best: Sequence[tuple[str, float]], *, several: bool) -> None:
    right = output.Column(right=True, style="cyan")
    rows = [[f"{chance:.3f}", name] for name, chance in best]
    if len(best) == 1:
        click.echo(f"{rows[0][0]}  {rows[0][1]}  {output.shown(path)}")
        return
    if several:
        output.echo_heading(output.shown(path))
    output.echo_table([right, output.Column(style="green")], rows, indent=2)


def _print_none(path: Path, outcome: Prediction, *, several: bool) -> None:
    """Why it is none, and where several lines a picture are printed, in that form."""
    text = f"none of these  ({outcome.measure} {outcome.far:.2f})"
    if several:
        output.echo_heading(output.shown(path))
        click.echo(f"  {text}")
    else:
        click.echo(f"{text}  {output.shown(path)}")
