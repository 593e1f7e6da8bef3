"""`import_encoder` makes an `encoder.onnx` of a network of any maker, or writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.card import IMPORTED, Card, Resize
from clr_search.contract.golden import golden_picture, golden_size_for
from clr_search.contract.model_file import MOST_NUMBERS, OPSET
from clr_search.contract.runtime import first_line, open_session, vectors
from clr_search.errors import ClrSearchError, UsageError
from clr_search.export.graph import with_card
from clr_search.export.reduce import Precision, pictures_for, reduced
from clr_search.export.report import ExportReport, refuse_outputs, write_encoder
from clr_search.export.resize import Part
from clr_search.importing import parity
from clr_search.importing.foreign import (
    ForeignFile,
    inputs_of,
    numpy_type,
    pruned,
    raised,
    read_foreign,
    refuse_operators,
    spelt_list,
)
from clr_search.importing.layouts import Found, find_network
from clr_search.importing.pooling import Pooling, pooling_of
from clr_search.importing.recipe import Preprocessing, Recipe, settled
from clr_search.importing.whitening import whitened
from clr_search.importing.wrap import Network, graph_recipe, wrapped
from clr_search.progress import Reporter, Silent
from clr_search.version import __version__

if TYPE_CHECKING:
    import onnx

ZOOS = ("timm:", "torchvision:")
"""Beginnings of sources that name a network of a library of torch."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import.

    Attributes
    ----------
    written : ExportReport
        The file.
    recipe : Recipe
        Everything that was read, asked for or left to defaults.
    layout : str
        Whose layout the source has; empty for a file alone.
    parity : Parity
        How the vectors agree with those of the original.
    """

    written: ExportReport
    recipe: Recipe
    layout: str
    parity: parity.Parity


@dataclass(frozen=True, slots=True)
class Source:
    """A network that was read, of whatever kind of source.

    Attributes
    ----------
    network : Network
        The network, and how its makers run it.
    found : Found
        What stands beside it.
    output : str
        Name of the tensor that is the embedding.
    origin : str
        What the card says of it.
    sha256 : str
        SHA-256 of its weights; empty where they are in no file.
    """

    network: Network
    found: Found
    output: str
    origin: str
    sha256: str


def import_encoder(
    source: Path | str,
    out: Path | str,
    *,
    asked: Recipe | None = None,
    weights: Path | None = None,
    pictures: Sequence[Path] = (),
    precision: Precision = "fp32",
    portable: bool = False,
    whiten_on: Sequence[Path] = (),
    calibrate_on: Sequence[Path] = (),
    force: bool = False,
    reporter: Reporter | None = None,
) -> ImportReport:
    """Wrap a network into the contract, with `golden.json` beside it.

    Parameters
    ----------
    source : path or str
        An ONNX file; a folder as transformers.js, Immich, open_clip or timm lay it out; or
        ``"timm:NAME"`` or ``"torchvision:NAME"``.
    out : path
        The file to write.
    asked : Recipe, optional
        What is to be otherwise than it was read, or cannot be read.
    weights : Path, optional
        Weights for ``timm:`` and ``torchvision:``, as safetensors, or as tensors in a `.pth`;
        without them, the library loads its own.
    pictures : sequence of Path
        Folders of pictures for the comparison with the original, beside the photos that come along.
    precision : str
        "fp32", "fp16" or "int8", as for an export.
    portable : bool
        Whether to resize pictures by matrix products; see `export.resize`.
    whiten_on : sequence of Path
        Folders of pictures without labels, on whose vectors the principal axes are measured and
        damped.
    calibrate_on : sequence of Path
        Folders of pictures without labels, to measure reduced weights on; by default, those of
        `whiten_on`.
    force : bool
        Whether to overwrite `out` and the `golden.json` beside it, and to accept any reduced
        weights.
    reporter : Reporter, optional
        Receives the progress; by default, none is shown.

    Returns
    -------
    ImportReport
        The file, what it was made by, and how it was checked.

    Raises
    ------
    UsageError
        If the source is no network of pictures, something about it must be said and was not, or an
        output exists and `force` is False.
    ClrSearchError
        If the wrapped network does not give the vectors of the original; nothing is written then.

    Examples
    --------
    With a file of somebody else on disk::

        report = import_encoder("dinov2", "encoder.onnx", asked=Recipe(pool="cls+mean"))
        print(report.parity.least, report.written.card.origin)
    """
    out, reporter, asked = Path(out), reporter or Silent(), asked or Recipe()
    refuse_outputs(out, force=force)
    files = pictures_for(precision, calibrate_on, whiten_on)
    read = _read(source, asked, weights)
    recipe = asked | read.found.recipe | graph_recipe(read.network.model, read.found.path)
    plan = settled(_agreeing(recipe, read))
    title = str(source)
    photos = [*parity.parity_photos(), *_more(pictures, plan)]
    shape = _shape(read.network, plan, photos[0], title)
    pooling = pooling_of(shape, recipe.pool, plan.layout, recipe.prefix_tokens)
    expected = parity.original_vectors(read.network, plan, pooling, photos)
    dimension = expected.shape[1]
    _refuse_dimension(dimension, shape)
    resize: Resize = "MatMul" if portable else "Resize"
    graph = wrapped(read.network, plan, pooling, dimension, resize)
    card = _card(read, plan, pooling, recipe, dimension, resize)
    session = _opened(graph, card, title)
    agreement = parity.compared(session, expected, photos, title)
    parity.refuse_batch_dependence(session, 200, photos[0], title)
    if whiten_on:
        whitening = whitened(session, plan.frame, dimension, whiten_on, reporter)
        graph = wrapped(read.network, plan, pooling, dimension, resize, whitening.part)
        phrase = f"{card.descriptor}, whitened on {whitening.pictures:,} images"
        card = replace(card, descriptor=phrase)
        session = _opened(graph, card, title)
        _check_whitening(session, expected, photos, whitening.part, title)
    card = replace(card, golden=_golden(session, card))
    done = _recipe_of(plan, pooling, recipe, read.output)
    if precision == "fp32":
        written = write_encoder(out, with_card(graph, card))
    else:
        smaller = reduced(graph, card, precision, files, force=force, reporter=reporter)
        written = write_encoder(out, smaller.data, speed=smaller.speed)
    return ImportReport(written, done, read.found.layout, agreement)


def _read(source: Path | str, asked: Recipe, weights: Path | None) -> Source:
    """Read the network of a source of any kind."""
    named = str(source)
    if named.startswith(ZOOS) and not Path(named).exists():
        from clr_search.importing.zoo import read_zoo

        zoo = read_zoo(named, asked, weights)
        found = Found(Path(named), zoo.recipe, zoo.library)
        return Source(zoo.network, found, "features", zoo.origin, zoo.sha256)
    if weights is not None:
        raise UsageError(
            "--weights is of networks of timm and torchvision; an ONNX file has its own.",
            "Leave --weights out.",
        )
    found = find_network(Path(source))
    file = read_foreign(found.path)
    refuse_operators(file.model, file.path)
    output = asked.output or _output(file, found.outputs)
    small = pruned(file.model, output, file.path)
    graph_recipe(small, file.path)
    run = _original(small, file.path)
    network = Network(raised(small, file.path, OPSET), run)
    origin = f"{found.path.name}, SHA-256 {file.sha256}"
    return Source(network, found, output, origin, file.sha256)


def _output(file: ForeignFile, preferred: Sequence[str]) -> str:
    """Return the output to take where none was asked for."""
    outputs: list[str] = [value.name for value in file.model.graph.output]
    for name in (*preferred, *(outputs if len(outputs) == 1 else ())):
        if name in outputs:
            return str(name)
    raise UsageError(
        f"{file.path} has several outputs: {spelt_list(list(file.model.graph.output))}.",
        "Say which is the embedding: --output NAME",
    )


def _original(model: onnx.ModelProto, path: Path) -> Any:
    """Return a function that runs the network as it came, in its own opset."""
    try:
        session = open_session(model.SerializeToString())
    except Exception as error:  # ONNX Runtime's exceptions share no base class.
        raise UsageError(
            f"{path} is not accepted by ONNX Runtime: {first_line(error)}.",
            "Check that the file is whole, and that --output names a tensor of it.",
        ) from error
    (read,) = inputs_of(model.graph)
    kind = numpy_type(read)

    def run(prepared: NDArray[np.float32]) -> NDArray[Any]:
        try:
            result: NDArray[Any] = session.run(None, {read.name: prepared.astype(kind)})[0]
        except Exception as error:
            raise UsageError(
                f"{path} does not run on a prepared picture of {prepared.shape}: "
                f"{first_line(error)}.",
                "Check --image-size and --layout.",
            ) from error
        return result

    return run


def _agreeing(recipe: Recipe, read: Source) -> Recipe:
    """Return the recipe, if it agrees with the sizes that the graph has settled."""
    fixed = graph_recipe(read.network.model, read.found.path)
    for what in ("image_size", "layout"):
        said, settled_by_graph = getattr(recipe, what), getattr(fixed, what)
        if settled_by_graph is not None and said != settled_by_graph:
            raise UsageError(
                f"{read.found.path} reads {what.replace('_', ' ')} {settled_by_graph}, which its "
                f"graph settles, and {said} is asked for.",
                f"Leave --{what.replace('_', '-')} out, or correct the configuration.",
            )
    return recipe


def _more(folders: Sequence[Path], plan: Preprocessing) -> list[NDArray[np.uint8]]:
    """Return further pictures for the comparison."""
    return parity.pictures_in(folders, plan.frame.size) if folders else []


def _shape(
    network: Network, plan: Preprocessing, photo: NDArray[np.uint8], title: str
) -> tuple[int, ...]:
    """Return the shape of the output for one picture."""
    shape = np.shape(network.run(plan.documented(photo)))
    if len(shape) < 2 or shape[0] != 1:
        raise UsageError(
            f"{title} gives numbers of shape {shape} for one picture, which is no vector for each.",
            "Name another tensor: --output NAME",
        )
    return shape


def _refuse_dimension(dimension: int, shape: tuple[int, ...]) -> None:
    """Raise UsageError if a vector is too long for an index, or a single number."""
    if not 2 <= dimension <= MOST_NUMBERS:
        spelt = " × ".join(map(str, shape))
        raise UsageError(
            f"The embedding has {dimension:,} numbers (an output of {spelt}); 2 to "
            f"{MOST_NUMBERS:,} are possible.",
            "Pool it (--pool mean), or name another tensor: --output NAME",
        )


def _card(
    read: Source,
    plan: Preprocessing,
    pooling: Pooling,
    recipe: Recipe,
    dimension: int,
    resize: Resize,
) -> Card:
    """Return the card, still without the golden vector."""
    frame = plan.frame
    return Card(
        name=recipe.name or read.found.path.stem,
        image_size=frame.size,
        embedding_dim=dimension,
        architecture=f"imported, {plan.crop} px",
        method="imported",
        descriptor=pooling.phrase(read.output),
        weights_sha256=read.sha256,
        package_version=__version__,
        licence=recipe.licence or "",
        resize=resize,
        fit=frame.fit,
        filter=frame.filter,
        ground=frame.ground,
        origin=read.origin,
        imported=True,
        golden_size=golden_size_for(frame.size),
        contract_version=IMPORTED,
    )


def _opened(graph: onnx.ModelProto, card: Card, title: str) -> Any:
    """Return a session of the wrapped network."""
    try:
        return open_session(with_card(graph, card))
    except Exception as error:  # ONNX Runtime's exceptions share no base class.
        raise ClrSearchError(
            f"Wrapped, {title} is not accepted by ONNX Runtime: {first_line(error)}.",
            "Export the network again, with opset 18.",
        ) from error


def _golden(session: Any, card: Card) -> tuple[float, ...]:
    """Return the vector of the golden picture."""
    golden = vectors(session, golden_picture(card.golden_size)[None])[0]
    return tuple(golden.tolist())


def _check_whitening(
    session: Any,
    expected: NDArray[np.float32],
    photos: Sequence[NDArray[np.uint8]],
    part: Part,
    title: str,
) -> None:
    """Compare the whitened graph with the vectors of the original, whitened in numpy."""
    turned = expected @ part.constants["whiten/axes"] + part.constants["whiten/bias"]
    turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    rows = np.concatenate([vectors(session, photo[None]) for photo in photos])
    if not float((rows * turned).sum(axis=1).min()) >= 0.99:
        raise ClrSearchError(f"Whitened, {title} gives other vectors than it should.")


def _recipe_of(plan: Preprocessing, pooling: Pooling, recipe: Recipe, output: str) -> Recipe:
    """Return what was done, for the report."""
    frame = plan.frame
    return Recipe(
        image_size=plan.crop,
        resize=frame.size,
        fit=frame.fit,
        filter=frame.filter,
        ground=frame.ground,
        scale=plan.scale,
        mean=plan.mean,
        std=plan.std,
        channels=plan.channels,
        layout=plan.layout,
        output=output,
        pool=pooling.pool,
        prefix_tokens=pooling.prefix if pooling.kind == "tokens" else None,
        name=recipe.name,
        licence=recipe.licence,
    )
