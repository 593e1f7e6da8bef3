"""``info``: describe a run, an ONNX file or a collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import options, output
from clr_search.errors import UsageError
from clr_search.files.own import OwnFolder
from clr_search.index.catalog.milvus.address import place_of

if TYPE_CHECKING:
    from clr_search.importing.describe import ForeignFacts
    from clr_search.index import IndexInfo

# Fields of a model card that are fractions, and are printed as percentages.
_SHARES = ("knn_accuracy", "probe_accuracy", "novelty_refused")

_OLDER_DECODING = (
    "of an older release for some pictures; --rebuild embeds them again (docs/pictures.md)"
)


@options.command("info")
@click.argument("path", type=options.ENCODER)
@click.option(
    "--check",
    is_flag=True,
    help="Run the golden picture through ONNX Runtime and compare with the vector in the file.",
)
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="List files that were read with a loss or a note.",
)
@options.json_option()
def info(path: Path, check: bool, verbose: bool, as_json: bool) -> None:
    """Describe a run, an encoder or probe, or a collection.

    \b
    Example:
      clr-search info photos.clr
      clr-search info photos.clr -v          # also what was read with a loss
      clr-search info encoder.onnx --check
      clr-search info default                # the encoder that comes with the package
      clr-search info run --json | jq .config.temperature
    """
    if place_of(path) is not None:
        _collection(path, check=check, verbose=verbose, as_json=as_json)
        return
    if not path.exists():
        raise UsageError(
            f"There is no file or folder {path}.", "Check the spelling, or give an absolute path."
        )
    if not path.is_dir():
        _model(path, check=check, as_json=as_json)
        return
    folder = OwnFolder(path)
    if (folder / "catalog.sqlite").exists():
        _collection(path, check=check, verbose=verbose, as_json=as_json)
    elif (folder / "config.json").exists():
        if check:
            raise UsageError(
                f"{path} is a run, and --check is for ONNX files and collections.",
                f"Export it first: clr-search export {path} --out encoder.onnx",
            )
        _run(folder, as_json=as_json)
    else:
        raise UsageError(
            f"{path} is neither a run nor a collection: it has no config.json and no "
            "catalog.sqlite.",
            "Give a run, an .onnx file or a collection.",
        )


_RETUNE = "build-index --retune measures what is quick on this one"


def _model(path: Path, *, check: bool, as_json: bool) -> None:
    """Print the card of an ONNX file, or what a file of another maker is."""
    from clr_search.contract.model_file import read_model
    from clr_search.importing.describe import describe_foreign

    if not check and (foreign := describe_foreign(path)) is not None:
        _foreign(path, foreign, as_json=as_json)
        return
    model = read_model(path)
    kind = "probe" if model.card.classes else "encoder"
    checked = _check(path) if check else None
    if as_json:
        file = {"kind": kind, "path": path, "sha256": model.sha256, "bytes": len(model.data)}
        output.echo_json(file | model.card.summary() | _checked_json(checked))
        return
    output.echo_heading(f"{output.shown(path)}: {kind}, {output.size(len(model.data))}")
    card = model.card.summary()
    shares = {name: output.share(card.pop(name)) for name in _SHARES}
    classes, golden = card.pop("classes"), card.pop("golden_size")
    facts = {name: _spelt(value) for name, value in card.items()} | shares
    facts["classes"] = f"{len(classes):,}: {', '.join(classes)}" if classes else ""
    facts["golden picture"] = f"{golden[0]} × {golden[1]} pixels"
    facts["sha256"] = model.sha256
    _echo(facts, checked)


def _foreign(path: Path, facts: ForeignFacts, *, as_json: bool) -> None:
    """Print what is in an ONNX file that is no encoder yet, and how to import it."""
    from dataclasses import asdict

    if as_json:
        output.echo_json({"kind": "foreign", "path": path} | asdict(facts))
        return
    size = output.size(path.stat().st_size)
    output.echo_heading(f"{output.shown(path)}: ONNX, no encoder of clr-search yet, {size}")
    shown = {
        "reads": facts.inputs,
        "gives": facts.outputs,
        "opset": str(facts.opset),
        "nodes": f"{facts.nodes:,}",
        "made by": facts.producer,
        "cannot be imported": facts.obstacle,
        "import it with": "" if facts.obstacle else facts.command,
    }
    _echo({name: output.shown(value) for name, value in shown.items()}, None)


def _collection(path: Path, *, check: bool, verbose: bool, as_json: bool) -> None:
    """Print the size, the search structure and the encoder of a collection."""
    from clr_search.index import Index
    from clr_search.progress import Lines

    with Index.open(path, reporter=Lines()) as index:
        details, columns, noted = index.info(), index.columns(), index.noted()
        missing = index.missing()
        checked = index.encoder.check() if check else None
    if as_json:
        listed = {
            "missing": missing,
            "columns": [asdict(column) for column in columns],
            "noted": [{"path": one.path, "note": str(one)} for one in noted],
        }
        output.echo_json(
            {"kind": "collection"} | details.summary() | listed | _checked_json(checked)
        )
        return
    here = " on this machine" if place_of(path) is not None else ""
    size = output.size(details.bytes_on_disk)
    output.echo_heading(f"{output.shown(path)}: collection, {size}{here}")
    facts = {
        "images": f"{details.count:,}",
        "not there": f"{missing:,}; clr-search relocate says where they are" if missing else "",
        "skipped files": f"{details.skipped:,}" if details.skipped else "",
        "folders": ", ".join(output.shown(root) for root in details.roots),
        "search": output.structure(details),
        "structure": _measured(details),
        "chosen on": f"{details.chosen_on}, which is not this processor; {_RETUNE}"
        if details.chosen_on
        else "",
        "beside the structure": f"{details.beside:,}" if details.generation is not None else "",
        "encoder": f"{details.encoder_name or 'none'}, {details.dimension} dimensions",
        "encoder sha256": details.encoder_sha256,
        "columns": ", ".join(f"{c.name} ({c.kind}, {c.count:,})" for c in columns),
        "decoding": _OLDER_DECODING if details.older_decoding else "",
    }
    _echo(facts, checked)
    output.echo_noted([(one.path, str(one), one.lossy) for one in noted], verbose=verbose)
    if details.tried:
        _echo_tried(details)


def _measured(details: IndexInfo) -> str:
    """Return what was measured of the search structure; empty for an exact search."""
    if details.recall_at_1 is None:
        return ""
    phrases = [f"recall@1 {details.recall_at_1:.3f}"]
    if details.bytes_per_vector is not None:
        phrases.append(f"{details.bytes_per_vector:,.0f} bytes a vector")
    if details.latency_p99_ms is not None:
        phrases.append(f"99 % of searches within {details.latency_p99_ms:.2g} ms")
    return ", ".join(phrases)


def _echo_tried(details: IndexInfo) -> None:
    """Print the candidates that were measured when the search structure was chosen."""
    output.echo_heading("Search structures tried on a sample", apart=True)
    rows = [["", "bytes a vector", "recall@10", "ms a search", "over all, about", ""]]
    for candidate in details.tried:
        chosen = candidate.kind in details.structure
        mark = "chosen" if chosen else "" if candidate.reached else "misses the recall"
        rows.append(
            [
                candidate.name,
                f"{candidate.bytes_per_vector:,.0f}",
                f"{candidate.recall:.3f}",
                f"{candidate.milliseconds:.3f}",
                f"{candidate.milliseconds * candidate.growth:.3f}",
                mark,
            ]
        )
    right, green = output.Column(right=True), output.Column(style="green")
    output.echo_table([output.Column(), right, right, right, right, green], rows, 2)


def _run(path: OwnFolder, *, as_json: bool) -> None:
    """Print the progress and the settings of a training run."""
    from clr_search.train.monitor.metrics import METRICS, read_metrics, totals
    from clr_search.train.settings.resolved import ResolvedConfig

    file = path / "config.json"
    config = ResolvedConfig.from_file(file)
    rows = read_metrics(path / METRICS)
    finished = (path / "weights.safetensors").exists()
    last: Mapping[str, Any] = rows[-1] if rows else {}
    total = totals(rows)
    if as_json:
        state = {"kind": "run", "path": path.path, "epochs": total.epochs, "weights": finished}
        output.echo_json(state | {"last": last or None, "config": asdict(config)})
        return
    trained = f"{total.epochs:,} of {config.epochs:,} epochs" if rows else "untrained"
    output.echo_heading(f"{output.shown(path.path)}: run, {trained}")
    speed = total.images_per_second
    facts = {
        "loss": f"{total.loss:.4g}" if rows else "",
        "contrastive accuracy": output.share(last.get("contrastive_accuracy")),
        "kNN accuracy": output.share(total.knn_accuracy),
        "trained for": output.duration(total.seconds) if rows else "",
        "speed": "" if speed is None else f"{speed:,.1f} images/s",
        "weights": "" if finished else "none yet; finish it with: clr-search train … --resume",
    }
    settings = {name.replace("_", " "): _spelt(value) for name, value in asdict(config).items()}
    settings["loss function"] = settings.pop("loss")  # "loss" is the last value of it.
    _echo(facts | settings, None)


def _check(path: Path) -> float:
    """Return the largest difference between the computed golden vector and that in the file."""
    from clr_search.serve import Encoder

    return Encoder(path).check()


def _checked_json(difference: float | None) -> dict[str, Any]:
    """Return the field for the outcome of a check; no field without a check."""
    return {} if difference is None else {"golden_difference": difference}


def _echo(facts: Mapping[str, str], checked: float | None) -> None:
    """Print facts, and the outcome of a check below them."""
    lines = [(name.replace("_", " "), value) for name, value in facts.items()]
    if checked is not None:
        lines.append(("check", f"golden picture matches, off by {checked:.1e} at most"))
    output.echo_facts(lines)


def _spelt(value: object) -> str:
    """Return a value of JSON as text for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_spelt(inner)}" for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return "–".join(_spelt(inner) for inner in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
