"""The path of the encoder that comes with the package."""

from __future__ import annotations

from pathlib import Path

DEFAULT = "default"
"""Name of the shipped encoder, wherever a command takes an encoder or weights."""

SHIPPED = Path(__file__).parents[1] / "default_encoder"
"""Folder with `encoder.onnx`, `golden.json` and, to continue training, `weights.safetensors`."""


def shipped_encoder() -> Path:
    """Return the path of the shipped encoder's ONNX file.

    Examples
    --------
    >>> shipped_encoder().name
    'encoder.onnx'
    """
    return SHIPPED / "encoder.onnx"


def encoder_named(name: str) -> Path:
    """Return the file that a name stands for.

    `DEFAULT` stands for the shipped encoder, unless a file of that name exists; any other name is a
    path.

    Examples
    --------
    >>> encoder_named("run/encoder.onnx").name, encoder_named("default") == shipped_encoder()
    ('encoder.onnx', True)
    """
    return shipped_encoder() if name == DEFAULT and not Path(name).exists() else Path(name)
