"""An encoder is written with `golden.json` beside it, and an `ExportReport` describes the two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clr_search.contract.golden import golden_json
from clr_search.contract.model_file import Card, read_model
from clr_search.files.write import atomic_path, refuse_existing, write_atomically

GOLDEN = "golden.json"
"""Name of the file with a test picture and its vector, which lies beside the encoder."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The result of an export.

    Attributes
    ----------
    path : Path
        The encoder file.
    sha256 : str
        SHA-256 of the file. An index accepts vectors of this file only.
    bytes : int
        Size of the file in bytes.
    card : Card
        Metadata of the file.
    max_abs_difference : float or None
        Largest difference between torch and ONNX Runtime over the parity check, before weights
        were reduced; None where the encoder did not come from torch.
    speed : float or None
        Speed with reduced weights over that with the full ones, on this machine. It is not in the
        file, which depends on nothing but weights and pictures.
    """

    path: Path
    sha256: str
    bytes: int
    card: Card
    max_abs_difference: float | None
    speed: float | None


def refuse_outputs(out: Path, *, force: bool) -> None:
    """Refuse to overwrite the files that `write_encoder` writes, unless `force` is set.

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
    """Write a serialised encoder and its `golden.json`, each whole or not at all.

    Parameters
    ----------
    out : Path
        The encoder file to write; a file of that name is replaced.
    data : bytes
        Content of the file, with the card in it.
    difference, speed : float, optional
        Measures for the report, see `ExportReport`; they are not written.

    Returns
    -------
    ExportReport
        The written file, with its metadata read again.

    Raises
    ------
    UsageError
        If the encoder breaks the contract; nothing is written then.
    """
    with atomic_path(out) as temporary:
        temporary.write_bytes(data)
        read_model(temporary)  # A file that is written must pass the validation of reading.
    model = read_model(out)
    write_atomically(out.with_name(GOLDEN), golden_json(model))
    return ExportReport(out, model.sha256, len(data), model.card, difference, speed)
