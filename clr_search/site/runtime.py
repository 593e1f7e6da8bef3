"""onnxruntime-web, which runs the encoder in the browser: a copy in the site, or from a CDN.

It is 14 MB, and not ours to put into a Python package. Two of its files are needed: the script with
everything but the WebAssembly inside, and the WebAssembly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import UsageError

VERSION = "1.30.0"
"""The release that is tested, and fetched where the site has no copy."""

CDN = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist/"
"""It serves the files of the npm package as they are."""

SCRIPT, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"

INSTALL = f"npm install --prefix ort onnxruntime-web@{VERSION}"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file on the CDN, pinned: a browser refuses another one."""

    name: str
    size: int
    sha384: str


PINNED = (
    Remote(SCRIPT, 73_054, "PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG"),
    Remote(BINARY, 14_239_897, "vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM"),
)
"""Script and WebAssembly; SHA-384 in base64."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The two files in an npm install, and their release ("" where that is not told)."""

    script: Path
    binary: Path
    version: str


def find(folder: Path) -> Copy:
    """The runtime in the folder of an npm install, in the package itself or in its ``dist``.

    Raises
    ------
    UsageError
        If it is not there.
    """
    package = Path("node_modules", "onnxruntime-web")
    for place in (
        folder / package / "dist",
        folder / package.name / "dist",
        folder / "dist",
        folder,
    ):
        copy = Copy(place / SCRIPT, place / BINARY, _version(place.parent))
        if copy.script.is_file() and copy.binary.is_file():
            return copy
    raise UsageError(
        f"{folder} holds no onnxruntime-web: {SCRIPT} and {BINARY} are looked for.",
        f"Install it with: {INSTALL}    and give: --runtime ort",
    )


def _version(package: Path) -> str:
    try:
        return str(json.loads((package / "package.json").read_text("utf-8"))["version"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
