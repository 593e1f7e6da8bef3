"""``probe`` and ``classify``: a linear classifier behind the encoder."""

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

    from clr_search.index import Index
    from clr_search.serve.probe import FittedProbe

_BATCH = 64


@options.command("probe")
@options.collection_argument()
@click.option("--out", metavar="ONNX", type=options.PATH, required=True, help="The file to write.")
@click.option(
    "--labels",
    metavar="CSV",
    type=options.EXISTING_FILE,
    help="Classes by picture, columns path and label.  [default: the folders' names]",
)
@click.option(
    "--confusion",
    metavar="PICTURE",
    type=options.PATH,
    callback=options.picture_output,
    help="Draw the confusion matrix into a PNG, JPEG or WebP file.",
)
@options.force_option("the files")
@options.json_option()
def probe(
    collection: Path,
    out: Path,
    labels: Path | None,
    confusion: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Fit a classifier on a collection, and write it as ONNX.

    It is a logistic regression on the embeddings. A fifth of the pictures is held out to measure
    its accuracy; then it is fitted on all. The file holds the encoder too: pixels in, embedding and
    class probabilities out.

    \b
    Example:
      clr-search probe photos.clr --out probe.onnx --confusion confusion.png
      clr-search probe photos.clr --out probe.onnx --labels labels.csv
    """
    from clr_search.files import refuse_existing
    from clr_search.index import Index
    from clr_search.progress import Lines
    from clr_search.serve.probe import fit_probe, save_probe

    for target in filter(None, (out, confusion)):
        refuse_existing(target, force=force)
    with Index.open(collection, reporter=Lines()) as index:
        with index.snapshot():
            ids, vectors = index.vectors()
            known = index.labels() if labels is None else _given(index, ids.tolist(), labels)
            encoder = index.encoder.path
        output.status(f"Fitting on {output.count(len(known), 'picture')} …")
        fitted = fit_probe(vectors, known)
        save_probe(fitted, encoder, out, force=force)
    if confusion is not None:
        _draw(fitted, confusion)
    _print(fitted, out, confusion, as_json=as_json)


def _given(index: Index, ids: Sequence[int], table: Path) -> list[str | None]:
    """Labels of the items out of a CSV file."""
    from clr_search.serve.probe import read_labels

    labels = read_labels(table)
    found = [labels.get(index.item(number).path) for number in ids]
    unknown = len(labels) - sum(label is not None for label in found)
    if unknown:
        click.echo(f"{table}: {output.count(unknown, 'picture')} not in the collection.", err=True)
    return found


def _draw(fitted: FittedProbe, target: Path) -> None:
    from clr_search.files import atomic_path
    from clr_search.pictures import confusion_matrix

    title = (
        f"{output.share(fitted.accuracy)} of {output.count(fitted.held_out, 'picture')} held out"
    )
    picture = confusion_matrix(fitted.confusion.tolist(), fitted.classes, title=title)
    with atomic_path(target) as temporary:
        picture.save(temporary, format=output.picture_format(target))


def _print(fitted: FittedProbe, out: Path, confusion: Path | None, *, as_json: bool) -> None:
    from clr_search.cli.evaluate import measured

    if as_json:
        output.echo_json(
            {
                "path": out,
                "classes": fitted.classes,
                "accuracy": fitted.accuracy,
                "interval": fitted.interval,
                "temperature": fitted.temperature,
                "calibration_error": fitted.calibration_error,
                "uncalibrated_error": fitted.uncalibrated_error,
                "held_out": fitted.held_out,
                "images": fitted.fitted,
                "unlabelled": fitted.unlabelled,
                "left_out": [{"label": name, "images": n} for name, n in fitted.left_out],
                "confusion": fitted.confusion.tolist(),
            }
        )
        return
    output.echo_heading(
        f"{output.shown(out)}: {len(fitted.classes):,} classes, "
        f"{output.count(fitted.fitted, 'picture')}"
    )
    left_out = ", ".join(f"{name} ({n})" for name, n in fitted.left_out)
    output.echo_facts(
        [
            ("accuracy", measured(fitted)),
            (
                "probabilities",
                f"off by {output.share(fitted.calibration_error)} "
                f"({output.share(fitted.uncalibrated_error)} before temperature scaling)",
            ),
            ("confusion matrix", output.shown(confusion) if confusion else ""),
            ("without a label", f"{fitted.unlabelled:,} pictures" if fitted.unlabelled else ""),
            ("too small", f"{left_out}: a class needs three pictures" if left_out else ""),
        ]
    )


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
    vote by their folders, and a picture that is like none of them is called unknown. A picture that
    cannot be read is reported, and the others are classified.

    \b
    Example:
      clr-search classify probe.onnx query.jpg
      clr-search classify probe.onnx photos/new -k 1
      clr-search classify --knn photos.clr query.jpg
      clr-search classify probe.onnx *.jpg --json | jq -r '.predictions[0].label'
    """
    from clr_search.files import find_images

    size, predict = _by_vote(collection) if collection else _by_probe(paths[0])
    images = paths if collection else paths[1:]
    if not images:
        raise click.UsageError("Missing argument 'IMAGE...': what to classify.")
    files = [image.path for image in find_images(images)]
    failed = False
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
            output.echo_json({"path": path, "predictions": predictions, "known": outcome.known})
        elif not outcome.known:
            _print_classes(
                path, [("unknown: like no picture of the collection", 0.0)], several=False
            )
        else:
            _print_classes(path, best, several=len(files) > 1 and k > 1)
    if failed:
        click.get_current_context().exit(1)


class Prediction(NamedTuple):
    """Classes with their probabilities, and whether the picture is of any of them."""

    chances: list[tuple[str, float]]
    known: bool = True


Predict = Callable[["NDArray[np.uint8]"], list[Prediction]]
"""Of squares, uint8 (n, S, S, 3)."""


def _by_probe(model: Path) -> tuple[int, Predict]:
    """S, and how to classify."""
    from clr_search.serve import Probe

    classifier = Probe(model)

    def predict(squares: NDArray[np.uint8]) -> list[Prediction]:
        rows = classifier.predict_proba(squares).tolist()
        return [Prediction(list(zip(classifier.classes, row, strict=True))) for row in rows]

    return classifier.card.image_size, predict


def _by_vote(collection: Path) -> tuple[int, Predict]:
    """As `_by_probe`, by the nearest of a collection."""
    from clr_search.index import Index
    from clr_search.index.voting import Voters
    from clr_search.progress import Lines

    index = Index.open(collection, reporter=Lines())
    voters, encoder = Voters(index), index.encoder

    def predict(squares: NDArray[np.uint8]) -> list[Prediction]:
        ballots = voters.vote(encoder.encode_squares(squares))
        return [Prediction(ballot.shares, ballot.known) for ballot in ballots]

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
