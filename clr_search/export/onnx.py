"""A run is exported as `encoder.onnx`, one file, after its graph was checked against torch.

The file is written only if torch and ONNX Runtime agree to `contract.TOLERANCE` on pictures of
random pixels and of smooth waves, so a file that exists computes what the run does.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from clr_search.contract.card import Card
from clr_search.contract.golden import golden_picture, golden_size_for
from clr_search.contract.model_file import EMBEDDING, IMAGES, OPSET, TOLERANCE
from clr_search.contract.runtime import open_session
from clr_search.contract.shipped import DEFAULT
from clr_search.errors import ClrSearchError, UsageError
from clr_search.export.descriptor import whiten
from clr_search.export.graph import FEATURES, PIXELS, assemble, with_card
from clr_search.export.reduce import Precision, pictures_for, reduced
from clr_search.export.reference import embed
from clr_search.export.report import ExportReport, refuse_outputs, write_encoder
from clr_search.export.sample import parity_pictures
from clr_search.files.finding.find import find_images
from clr_search.files.names import legible
from clr_search.progress import Reporter, Silent
from clr_search.train.network.others import of_library
from clr_search.train.run import Run, load_run
from clr_search.train.settings.advice import network
from clr_search.train.settings.model import taught_alone
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.settings.zoo import of_timm
from clr_search.version import __version__

if TYPE_CHECKING:
    import onnx


def export_run(
    run: Path,
    out: Path,
    *,
    name: str | None = None,
    licence: str = "",
    image_size: int | None = None,
    precision: Precision = "fp32",
    portable: bool = False,
    whiten_on: Sequence[Path] = (),
    calibrate_on: Sequence[Path] = (),
    force: bool = False,
    reporter: Reporter | None = None,
) -> ExportReport:
    """Export the encoder of a run under the contract, with `golden.json` beside it.

    Parameters
    ----------
    run : Path
        Folder of a run, written by training.
    out : Path
        The file to write.
    name : str, optional
        Name of the encoder for people; by default, the name of the run's folder.
    licence : str
        Note on rights, kept in the metadata.
    image_size : int, optional
        S, the side in pixels of the square that the encoder sees; by default, that of the training.
        Networks trained on random crops, which show things larger than the whole picture does,
        often see better at 1.15 to 1.5 times their size (arXiv 1906.06423).
    precision : str
        "fp32"; "fp16" for half the size; "int8" for under a third, and more speed; see `reduce`.
    portable : bool
        Whether to resize pictures by matrix products, for runtimes whose `Resize` has no
        antialiasing; see `resize`.
    whiten_on : sequence of Path
        Folders of pictures without labels. If there are any, the embedding is the whitened
        `Descriptor` instead of h alone.
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
    ExportReport
        The path, size and metadata of the file, and how it was checked.

    Raises
    ------
    UsageError
        If `run` is not a run, or an output exists and `force` is False, or there are too few
        pictures to whiten or to calibrate on, or some to calibrate on and no weights are reduced.
    ClrSearchError
        If torch and ONNX Runtime disagree by more than `contract.TOLERANCE`, or too few neighbours
        stay the same with reduced weights.

    Examples
    --------
    With a run on disk::

        report = export_run(Path("run"), Path("encoder.onnx"), precision="fp16")
        print(report.bytes, report.speed)
    """
    out = Path(out)
    refuse_outputs(out, force=force)
    reporter = reporter or Silent()
    files = pictures_for(precision, calibrate_on, whiten_on)
    trained = load_run(Path(run))
    size = image_size or trained.config.image_size
    if size != trained.config.image_size and of_timm(trained.config.architecture):
        raise UsageError(
            f"{trained.config.architecture} was trained on pictures of "
            f"{trained.config.image_size} pixels, and sees no others.",
            "Leave out --image-size.",
        )
    encoder, descriptor = _embedding_of(trained, whiten_on, size, reporter)
    golden_size = golden_size_for(size)
    golden = embed(encoder, torch.from_numpy(golden_picture(golden_size))[None], size)[0]
    card = replace(
        describe(trained, name or Path(run).resolve().name, licence),
        image_size=size,
        embedding_dim=golden.numel(),
        descriptor=descriptor,
        resize="MatMul" if portable else "Resize",
        golden_size=golden_size,
        golden=tuple(golden.tolist()),
    )
    model = assemble(trace_backbone(encoder, size), size, card.embedding_dim, card.resize)
    data = with_card(model, card)
    difference = parity(encoder, data, size)
    if not difference <= TOLERANCE:
        raise ClrSearchError(
            f"The exported graph of {run} differs from torch by {difference:.2e} "
            f"(allowed {TOLERANCE:.0e}), so {out} was not written.",
            "Try another version of torch or onnxscript; see constraints.txt for a tested pair.",
        )
    if precision == "fp32":
        return write_encoder(out, data, difference=difference)
    smaller = reduced(model, card, precision, files, force=force, reporter=reporter)
    return write_encoder(out, smaller.data, difference=difference, speed=smaller.speed)


def _embedding_of(
    trained: Run, whiten_on: Sequence[Path], size: int, reporter: Reporter
) -> tuple[torch.nn.Module, str]:
    """Return the network that makes the embedding, in evaluation mode, and a phrase on it."""
    encoder = trained.encoder.float().cpu().eval()
    if not whiten_on:
        return encoder, "h"
    whitening = whiten(encoder, find_images(whiten_on), size, reporter)
    if whitening.skipped:
        reporter.message(f"{whitening.skipped:,} pictures could not be read, and were left out.")
    of = "h" if of_timm(trained.config.architecture) else "h and two stages before it"
    phrase = f"{of}, whitened on {whitening.pictures:,} images"
    return whitening.descriptor, phrase


def trace_backbone(encoder: torch.nn.Module, image_size: int) -> onnx.GraphProto:
    """Trace an encoder to an ONNX graph.

    Parameters
    ----------
    encoder : nn.Module
        A network in evaluation mode that maps float32 [N, 3, S, S] to float32 [N, D].
    image_size : int
        S in pixels.

    Returns
    -------
    GraphProto
        Graph from `pixels`, float32 [N, 3, S, S], to `features`, float32 [N, D], for any N.

    Raises
    ------
    ClrSearchError
        If torch returns no graph.
    """
    example = torch.rand(2, 3, image_size, image_size)
    with warnings.catch_warnings():
        # The exporter warns of its own deprecations, about which a user can do nothing.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            encoder,
            (example,),
            input_names=[PIXELS],
            output_names=[FEATURES],
            dynamic_shapes=({0: torch.export.Dim("N")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ClrSearchError("torch.onnx.export returned no graph.", "Update torch and onnxscript.")
    graph: onnx.GraphProto = program.model_proto.graph
    _strip(graph)
    return graph


def _strip(graph: onnx.GraphProto) -> None:
    """Remove the annotations of a graph, in place.

    The exporter annotates each node with Python stack traces, and so with paths of the machine that
    it ran on, which do not belong into a file for others.
    """
    graph.doc_string = ""
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for tensor in graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]
    for value in (*graph.input, *graph.output):
        value.doc_string = ""
        del value.metadata_props[:]
    del graph.metadata_props[:]
    del graph.value_info[:]  # Readers infer the shapes of inner tensors again.


def parity(encoder: torch.nn.Module, data: bytes, image_size: int, seed: int = 0) -> float:
    """Measure how far ONNX Runtime and torch disagree, on the pictures of `parity_pictures`.

    Parameters
    ----------
    encoder : nn.Module
        The torch encoder in evaluation mode.
    data : bytes
        The serialised ONNX model.
    image_size : int
        S in pixels.
    seed : int
        Seed of the pictures.

    Returns
    -------
    float
        Largest absolute difference between numbers of two embeddings of unit norm.
    """
    session = open_session(data)
    worst = 0.0
    for pictures in parity_pictures(seed):
        expected = embed(encoder, torch.from_numpy(pictures), image_size).numpy()
        embeddings = session.run([EMBEDDING], {IMAGES: pictures})[0]
        worst = max(worst, float(np.abs(expected - embeddings).max()))
    return worst


def training_data(images: int, config: ResolvedConfig) -> str:
    """Return a phrase for the card on what a run of a number of images learned from."""
    labels = "their folders as labels" if config.method == "supervised" else "no labels used"
    if config.teacher is not None:
        labels += f" beside a teacher (SHA-256 {config.teacher_sha256})"
    return f"{images:,} images, {labels}"


def initial_weights(config: ResolvedConfig) -> str:
    """What a training began from, without any path; empty for random weights."""
    if config.init is None:
        return ""
    if of_library(config.init):
        return f"{config.init}, the library's own weights"
    name = "the encoder that comes with clr-search" if config.init == DEFAULT else "earlier weights"
    return f"{name} (SHA-256 {config.init_sha256})" if config.init_sha256 else name


def method_of(config: ResolvedConfig) -> str:
    """Return the name of the method that a run was trained by, for the card."""
    if config.teacher is None:
        return config.method
    return "distillation" if taught_alone(config) else "distillation and simclr"


def loss_of(config: ResolvedConfig) -> str:
    """Return the name of the loss that a run minimised, for the card."""
    if config.teacher is not None:
        beside = "" if taught_alone(config) else f" and {config.loss}"
        return f"distillation, weight {config.teacher_weight:g}{beside}"
    if config.method == "simclr":
        return config.loss
    if config.method == "instdisc" and config.negatives:
        return f"nce with {config.negatives} negatives"
    return "cross-entropy" if config.method == "supervised" else "non-parametric softmax"


def describe(trained: Run, name: str, licence: str) -> Card:
    """Return the card of a run, still without the golden vector."""
    config = trained.config
    accuracies = [row["knn_accuracy"] for row in trained.metrics if row.get("knn_accuracy")]
    images = trained.metrics[-1].get("images") if trained.metrics else None
    return Card(
        name=legible(name),
        image_size=config.image_size,
        embedding_dim=trained.encoder.dimension,
        architecture=network(config),
        method=method_of(config) if trained.epochs else "none: an untrained network",
        training_data=training_data(images, config) if images else "",
        initial_weights=initial_weights(config),
        epochs=trained.epochs,
        loss=loss_of(config) if trained.epochs else "",
        temperature=config.temperature,
        knn_accuracy=accuracies[-1] if accuracies else None,
        weights_sha256=trained.weights_sha256,
        package_version=__version__,
        licence=legible(licence),
    )
