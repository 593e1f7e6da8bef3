"""Where the encoder lies that comes with the package."""

from __future__ import annotations

from pathlib import Path

DEFAULT = "default"
"""Its name, wherever an encoder or weights are asked for."""

SHIPPED = Path(__file__).parents[1] / "default_encoder"
"""A folder with `encoder.onnx`, `golden.json` and, for training on, `weights.safetensors`."""


def shipped_encoder() -> Path:
    """The ONNX file of the encoder that ships."""
    return SHIPPED / "encoder.onnx"


def encoder_named(name: str) -> Path:
    """The file that a name stands for: `DEFAULT` for the one that ships, unless a file has it."""
    return shipped_encoder() if name == DEFAULT and not Path(name).exists() else Path(name)
