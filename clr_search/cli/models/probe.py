"""``probe``: fit a linear classifier on the embeddings of an encoder."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from clr_search.cli import options, output, tables
from clr_search.cli.path_lists import paths_argument
from clr_search.cli.selecting import Chosen, selection_options
from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog.milvus.address import place_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clr_search.serve.probe import FittedProbe


@options.command("probe")
@paths_argument("sources", "COLLECTION|IMAGES...", required=True, exists=False)
@click.option("--out", metavar="ONNX", type=options.PATH, required=True, help="The file to write.")
@tables.labels_option()
@click.option(
    "--encoder",
    metavar="ONNX",
    type=options.ENCODER,
    help="For a folder: the encoder of its pictures.  [default: the one that ships]",
)
@click.option(
    "--confusion",
    metavar="PICTURE",
    type=options.PATH,
    callback=options.picture_output,
    help="Draw the confusion matrix into a PNG, JPEG or WebP file; needs the extra plots.",
)
@selection_options()
@options.force_option("the files")
@options.json_option()
@options.pixels_option()
def probe(
    sources: tuple[Path, ...],
    out: Path,
    labels: Path | None,
    encoder: Path | None,
    confusion: Path | None,
    chosen: Chosen,
    force: bool,
    as_json: bool,
) -> None:
    """Fit a classifier on pictures with classes, and write it.

    The classifier is a logistic regression on the embeddings of a collection, or of folders that
    have a folder of pictures for each class: one to five of each are enough. A picture that is
    given itself, as in a list, is of the class that its folder is called. It is fitted on all of
    them, and its accuracy is measured by cross-validation: each picture is classified without its
    own help. Of 5,000 pictures and more, a fifth is held out instead.

    The ONNX file includes the encoder: it takes pixels, and returns the embedding, the class
    probabilities and the novelty. A novelty above 1 means "none of these classes"; 5 % of new
    pictures of the classes are refused so, and how many of other classes are is estimated by
    leaving out whole classes. Novelty needs 19 pictures that can be left out.

    \b
    Example:
      clr-search probe photos.clr --out probe.onnx --confusion confusion.png
      clr-search probe photos.clr --out probe.onnx --labels labels.csv
      clr-search probe a-few-of-each/ --out probe.onnx
      clr-search probe @chosen.txt --out probe.onnx
    """
    from clr_search.files.write import refuse_existing
    from clr_search.pictures.figure import require_plots
    from clr_search.serve.probe import fit_probe, save_probe
    from clr_search.serve.probe.few_shot import fit_shots

    for target in filter(None, (out, confusion)):
        refuse_existing(target, force=force)
    if confusion is not None:
        require_plots()
    collection = _collection(sources, encoder, chosen)
    folder = collection is None
    pictures = (
        _of_files(sources, labels, encoder, chosen)
        if collection is None
        else _of_collection(collection, labels)
    )
    output.status(f"Fitting on {output.count(len(pictures.labels), 'picture')} …")
    fitted = (fit_shots if folder else fit_probe)(pictures.vectors, pictures.labels)
    if confusion is not None and not fitted.held_out:
        raise UsageError(
            "There is no confusion matrix: no class has a picture to spare.",
            "Leave --confusion out, or give two pictures of a class.",
        )
    save_probe(fitted, pictures.encoder, out, force=force)
    if confusion is not None:
        _draw(fitted, confusion)
    if as_json:
        left = {"skipped": pictures.skipped, "unmatched": pictures.unmatched}
        output.echo_json(_facts(fitted, out) | left)
    else:
        _print(fitted, out, confusion)


def _collection(sources: tuple[Path, ...], encoder: Path | None, chosen: Chosen) -> Path | None:
    """Return the collection to fit on; None where pictures are given.

    Raises
    ------
    UsageError
        If there is a collection beside others, or an option that is not of collections.
    """
    held = [one for one in sources if _is_collection(one)]
    if not held and (len(sources) > 1 or sources[0].suffix != ".clr"):
        return None
    source = held[0] if held else sources[0]
    if len(sources) > 1:
        more = len(sources) - 1
        beside = "is 1 path" if more == 1 else f"are {more:,} paths"
        raise UsageError(
            f"{source} is a collection, and there {beside} beside it.",
            "Give one collection alone, or pictures.",
        )
    if encoder is not None:
        raise UsageError(
            f"{source} is no folder of pictures: a collection has its own encoder.",
            "Leave --encoder out.",
        )
    if words := chosen.words():
        raise UsageError(
            f"{words[0]} is of folders, and {source} is a collection.",
            f"Give it to: clr-search build-index --index {source}",
        )
    return source


class Given(NamedTuple):
    """The pictures to fit on.

    Attributes
    ----------
    vectors : float32 array (N, D)
        Embeddings of the pictures.
    labels : list of (str or None)
        N labels; None for a picture without one.
    encoder : Path
        The ONNX file of the encoder.
    skipped : list of Path
        Files and folders that could not be read.
    unmatched : list of dict
        Rows of the table of labels that are of no picture; see `tables.Given`.
    """

    vectors: NDArray[np.float32]
    labels: list[str | None]
    encoder: Path
    skipped: list[Path]
    unmatched: list[dict[str, Any]]


def _is_collection(path: Path) -> bool:
    """Return whether a path holds a catalogue, or is the address of a collection."""
    if place_of(path) is not None:
        return True
    return os.path.exists(path / "catalog.sqlite")  # noqa: PTH110 -- may be long


def _of_collection(collection: Path, table: Path | None) -> Given:
    """Return the embeddings of a collection, with labels from its folders or from a CSV file."""
    from clr_search.index import Index
    from clr_search.progress import Lines

    with Index.open(collection, reporter=Lines()) as index, index.snapshot():
        embeddings = index.embeddings()
        found = tables.Given(embeddings.labels, [])
        if table is not None:
            found = tables.given(table, embeddings.paths, "the collection")
        return Given(embeddings.vectors, found.labels, index.encoder.path, [], found.unmatched)


def _of_files(
    sources: tuple[Path, ...], table: Path | None, path: Path | None, chosen: Chosen
) -> Given:
    """Embed pictures of folders and lists; a class without a readable picture is an error."""
    import numpy as np

    from clr_search.files.finding.find import find_images
    from clr_search.files.finding.left_out import LeftOut
    from clr_search.serve import Encoder
    from clr_search.serve.pipeline import Embedded, embed_files

    left_out = LeftOut()
    encoder, files = Encoder(path), find_images(sources, left_out, chosen.selection)
    output.complain_of(left_out, options=True)
    paths = [file.path for file in files]
    found = tables.Given([file.class_name for file in files], [])
    if table is not None:
        where = str(sources[0]) if len(sources) == 1 else "what is given"
        found = tables.given(table, paths, where)
    results = [one for batch in embed_files(encoder, paths) for one in batch]
    readable = [isinstance(one, Embedded) for one in results]
    for one in results:
        if not isinstance(one, Embedded):
            output.complain(ClrSearchError(f"{output.shown(one.path)} is left out: {one.reason}."))
    embedded = [label for label, usable in zip(found.labels, readable, strict=True) if usable]
    lost = sorted({label for label in found.labels if label} - set(embedded))
    if lost:
        raise UsageError(
            f"Of {', '.join(lost)} no picture can be read.", "Replace these pictures, or the class."
        )
    rows = [one.vector for one in results if isinstance(one, Embedded)]
    vectors = np.array(rows, np.float32).reshape(-1, encoder.dimension)
    skipped = [unlisted for unlisted, _ in left_out.skipped()]
    skipped += [one.path for one in results if not isinstance(one, Embedded)]
    return Given(vectors, embedded, encoder.path, skipped, found.unmatched)


def _draw(fitted: FittedProbe, target: Path) -> None:
    """Draw the confusion matrix into an image file."""
    from clr_search.cli.models.evaluate import spared
    from clr_search.files.write import atomic_path
    from clr_search.pictures import confusion_matrix

    title = f"{output.share(fitted.accuracy)} of {spared(fitted)}".strip()
    picture = confusion_matrix(fitted.confusion.tolist(), fitted.classes, title=title)
    with atomic_path(target) as temporary:
        picture.save(temporary, format=output.picture_format(target))


def _facts(fitted: FittedProbe, out: Path) -> dict[str, Any]:
    """Return the measures of a fitted probe for JSON."""
    novelty = fitted.novelty
    return {
        "path": out,
        "classes": fitted.classes,
        "accuracy": fitted.accuracy,
        "interval": fitted.interval,
        "chance": fitted.chance,
        "majority": fitted.majority,
        "measured_by": fitted.measured_by if fitted.held_out else None,
        "temperature": fitted.temperature,
        "calibration_error": fitted.calibration_error,
        "uncalibrated_error": fitted.uncalibrated_error,
        "tells_unknown": novelty is not None,
        "novelty_pictures": novelty.pictures if novelty else 0,
        "novelty_method": novelty.method if novelty else None,
        "strangers": asdict(fitted.strangers) if fitted.strangers else None,
        "held_out": fitted.held_out,
        "images": fitted.fitted,
        "unlabelled": fitted.unlabelled,
        "left_out": [{"label": name, "images": n} for name, n in fitted.left_out],
        "confusion": fitted.confusion.tolist(),
    }


def _print(fitted: FittedProbe, out: Path, confusion: Path | None) -> None:
    """Print the measures of a fitted probe."""
    from clr_search.cli.models.evaluate import measured

    output.echo_heading(
        f"{output.shown(out)}: {len(fitted.classes):,} classes, "
        f"{output.count(fitted.fitted, 'picture')}"
    )
    left_out = ", ".join(f"{name} ({n})" for name, n in fitted.left_out)
    output.echo_facts(
        [
            ("accuracy", measured(fitted)),
            ("probabilities", _calibration(fitted)),
            ("none of these", _novelty(fitted)),
            ("", _strangers(fitted)),
            ("confusion matrix", output.shown(confusion) if confusion else ""),
            ("without a label", f"{fitted.unlabelled:,} pictures" if fitted.unlabelled else ""),
            ("too small", f"{left_out}: a class needs three pictures" if left_out else ""),
        ]
    )


def _calibration(fitted: FittedProbe) -> str:
    """Return the calibration error of the probabilities, for people."""
    if fitted.calibration_error is None:
        return "not calibrated: no class has a picture to spare"
    off = f"off by {output.share(fitted.calibration_error)}"
    if fitted.temperature == 1:
        return f"{off} as they are: temperature scaling would not make them better"
    return f"{off} ({output.share(fitted.uncalibrated_error)} before temperature scaling)"


def _novelty(fitted: FittedProbe) -> str:
    """Return how the novelty was calibrated, for people."""
    from clr_search.serve.probe.novelty import REFUSED

    if fitted.novelty is None:
        return "cannot be told: too few pictures, or all alike (19 that can be left out are needed)"
    how = "held out" if fitted.novelty.method == "held out" else "left out in turn"
    pictures = output.count(fitted.novelty.pictures, "picture")
    return f"refuses {100 * REFUSED:.0f} % of pictures of the classes, by {pictures} {how}"


def _strangers(fitted: FittedProbe) -> str:
    """Return how many pictures of other classes are caught, for people."""
    found = fitted.strangers
    if fitted.novelty is None or found is None:
        return ""
    return (
        f"catches about {100 * found.caught:.0f} % of pictures of other classes "
        f"({100 * found.least:.0f} to {100 * found.most:.0f} % of each of "
        f"{output.count(found.classes, 'class', 'classes')} left out in turn)"
    )
