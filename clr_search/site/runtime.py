"""onnxruntime-web, which runs the encoder in the browser.

A site holds a copy of it, or fetches it from a CDN. The Python package does not include it, because
it is 14 MB of another project. Two of its files are needed: a script, and the WebAssembly binary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import UsageError

VERSION = "1.30.0"
"""The release that is tested, and fetched from the CDN where a site has no copy."""

CDN = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist/"
"""Address of the release on a CDN that serves the files of npm packages unchanged."""

SCRIPT, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"

INSTALL = f"npm install --prefix ort onnxruntime-web@{VERSION}"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file on the CDN; a browser refuses any other content.

    Attributes
    ----------
    name : str
        Name of the file below `CDN`.
    size : int
        Size in bytes.
    sha384 : str
        SHA-384 of its content in base64.
    """

    name: str
    size: int
    sha384: str


PINNED = (
    Remote(SCRIPT, 73_054, "PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG"),
    Remote(BINARY, 14_239_897, "vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM"),
)
"""The script and the WebAssembly binary."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The two files in an npm install, and their release, which is empty where it is unknown."""

    script: Path
    binary: Path
    version: str


def find(folder: Path) -> Copy:
    """Find the runtime in a folder.

    The folder may be that of an npm install, its ``node_modules``, the package, or the ``dist`` in
    the package.

    Raises
    ------
    UsageError
        If the folder does not hold both files.
    """
    package = Path("node_modules", "onnxruntime-web")
    for dist in (
        folder / package / "dist",
        folder / package.name / "dist",
        folder / "dist",
        folder,
    ):
        copy = Copy(dist / SCRIPT, dist / BINARY, _version(dist.parent))
        if copy.script.is_file() and copy.binary.is_file():
            return copy
    raise UsageError(
        f"{folder} holds no onnxruntime-web: {SCRIPT} and {BINARY} are looked for.",
        f"Install it with: {INSTALL}    and give: --runtime ort",
    )


def _version(package: Path) -> str:
    """Return the release of an npm package; empty where it is unknown."""
    try:
        return str(json.loads((package / "package.json").read_text("utf-8"))["version"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
