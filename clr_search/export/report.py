"""Writing an encoder: the file, `golden.json` beside it, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clr_search.contract.golden import golden_json
from clr_search.contract.model_file import Card, read_model
from clr_search.files.write import atomic_path, refuse_existing, write_atomically

GOLDEN = "golden.json"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written.

    Attributes
    ----------
    path : Path
        The encoder.
    sha256 : str
        SHA-256 of the file; an index belongs to it.
    bytes : int
        Size of the file.
    card : Card
        Its metadata.
    max_abs_difference : float or None
        Largest difference between torch and ONNX Runtime over the parity check, before weights
        were reduced; None where there was no torch.
    speed : float or None
        Of reduced weights: how many times as fast as the full ones, here. It is not in the file,
        which depends on nothing but weights and pictures.
    """

    path: Path
    sha256: str
    bytes: int
    card: Card
    max_abs_difference: float | None
    speed: float | None


def refuse_outputs(out: Path, *, force: bool) -> None:
    """Refuse to overwrite, unless `force` is set, what `write_encoder` would.

    Raises
    ------
    UsageError
        If `out`, or the `golden.json` beside it, exists and `force` is False.
    """
    refuse_existing(out, force=force)
    refuse_existing(out.with_name(GOLDEN), force=force)


def write_encoder(
    out: Path, data: bytes, *, difference: float | None = None, speed: float | None = None
) -> ExportReport:
    """Write a serialised encoder and its `golden.json`, each whole or not at all."""
    with atomic_path(out) as temporary:
        temporary.write_bytes(data)
        read_model(temporary)  # what we write must pass the door it will be read through
    model = read_model(out)
    write_atomically(out.with_name(GOLDEN), golden_json(model))
    return ExportReport(out, model.sha256, len(data), model.card, difference, speed)
