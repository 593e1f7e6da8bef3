"""Writing a site: its files, and the checks before an older folder is replaced.

=================  ====================================================================
index.html         the page, with `style.css` and `page.js`
clr-search.js      the module that loads, embeds and searches; other pages can import it
pixels.js          the decoding of pictures for that module, with `ground.js` for transparent ones
site.json          the manifest: title, counts, and each file with size and SHA-384
items.json         names of the pictures, in their order
vectors.bin        their vectors in the format of `site.vectors`
thumbnails/        small pictures, without metadata
encoder.onnx       the encoder of the collection, with `golden.json`, which tests it
runtime/           a copy of onnxruntime-web, unless it is fetched from a CDN
=================  ====================================================================

The site contains no path of this machine, and no pictures but the thumbnails.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import re
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.golden import golden_json
from clr_search.contract.model_file import ModelFile
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.own import OwnFolder
from clr_search.files.write import atomic_folder
from clr_search.images import Frame
from clr_search.index import Filter, Item
from clr_search.index.search.reader import Reader
from clr_search.progress import Reporter, Silent
from clr_search.site import runtime, thumbnails, vectors

FORMAT = "clr-search site"
VERSION = 1
"""Version of `site.json` and `vectors.bin`; `clr-search.js` refuses every other one."""

_FETCHED = " What runs the encoder, onnxruntime-web, comes from cdn.jsdelivr.net."
_PAGE = ("style.css", "page.js", "clr-search.js", "pixels.js", "ground.js")
_DATA = r"site\.json|items\.json|vectors\.bin|encoder\.onnx|golden\.json"
_OURS = re.compile(
    rf"index\.html|style\.css|page\.js|clr-search\.js|pixels\.js|ground\.js|{_DATA}"
    r"|thumbnails(/\d+(/\d+\.jpg)?)?|runtime(/[^/]+\.(js|wasm))?"
)
"""What may lie in a site, by its path below the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The contents of a site.

    Attributes
    ----------
    title : str
        Title of the page.
    where : Filter
        Conditions on the pictures.
    most : int, optional
        Largest number of pictures; an even sample is taken of more.
    paths : bool
        Whether to publish paths below the indexed folders instead of the names of files.
    thumbnail : int
        Longer side of a thumbnail in pixels.
    runtime : Path, optional
        Folder of an npm install of onnxruntime-web to copy; by default, the page fetches it from a
        CDN.
    """

    title: str
    where: Filter = field(default_factory=Filter)
    most: int | None = None
    paths: bool = False
    thumbnail: int = 256
    runtime: Path | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of an export.

    Attributes
    ----------
    pictures, left_out : int
        Numbers of pictures in the site, and of those left out because their files cannot be read.
    total_bytes : int
        Size of the folder.
    first_bytes : int
        Bytes that a visitor loads to search by a picture, including the runtime.
    kept : Path, optional
        Where the folder is now whose name the site has taken.
    """

    pictures: int
    left_out: int
    total_bytes: int
    first_bytes: int
    kept: Path | None = None


def export_site(
    index: Reader,
    out: Path,
    options: Options,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Written:
    """Write a collection as a site.

    The folder appears when it is complete; after a failure, nothing has changed.

    Parameters
    ----------
    index : Reader
        The open collection.
    out : Path
        Folder to write; an older site there is replaced.
    options : Options
        The contents of the site.
    force : bool
        Whether the site may take the name of a folder that is no site, which then stays under
        another one (`Written.kept`).
    reporter : Reporter, optional
        Shows progress; silent by default.

    Raises
    ------
    UsageError
        If `out` may not be overwritten, no picture passes the filter, or the runtime is not found.
    ClrSearchError
        If none of the pictures can be read, or the encoder of the collection is missing.

    Examples
    --------
    With a collection on disk::

        with Index.open("photos.clr") as index:
            written = export_site(index, Path("site"), Options(title="Photos"))
    """
    copy = None if options.runtime is None else runtime.find(options.runtime)
    kept = check_target(out, index, force=force)
    with index.snapshot():
        items, rows, model = _gathered(index, options)
    with atomic_folder(out, keep=kept) as folder:
        paths = [item.path for item in items]
        drawn = thumbnails.write(paths, folder, options.thumbnail, reporter or Silent())
        if not drawn:
            raise ClrSearchError(
                f"None of the {len(items):,} pictures can be read now.",
                "Are their folders there? Bring the collection up to date with build-index.",
            )
        first = _fill(
            folder, [items[position] for position in drawn], rows[drawn], model, options, copy
        )
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Written(len(drawn), len(items) - len(drawn), total, first, kept)


def check_target(out: Path, index: Reader, *, force: bool) -> Path | None:
    """Refuse to take the place of anything but a site of clr-search.

    Returns
    -------
    Path or None
        With `force`, the name under which a folder stays that is no site, or holds files that
        `export_site` does not write; None where nothing but a site is replaced.

    Raises
    ------
    UsageError
        If `out` is a file, contains the collection or its pictures, lies in the collection, or
        holds something else and `force` is False.
    """
    target = out.resolve()
    for protected in (index.path.resolve(), *index.info().roots):
        if target == protected or target in protected.parents:
            raise UsageError(
                f"{out} would take the place of {protected}.", "Choose another folder for the site."
            )
    if index.path.resolve() in target.parents:
        raise UsageError(f"{out} lies in the collection.", "Choose another folder for the site.")
    if not target.exists():
        return None
    if not target.is_dir():
        raise UsageError(f"{out} is a file.", "Choose another name.")
    names = sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))
    foreign = [name for name in names if not _OURS.fullmatch(name)]
    if not names or (not foreign and _is_site(target)):
        return None
    if force:
        taken = (target.with_name(f"{target.name}.{number}") for number in itertools.count(1))
        return next(path for path in taken if not os.path.lexists(path))
    what = f"holds {', '.join(foreign[:3])}" if foreign else "is no site of clr-search"
    raise UsageError(
        f"{out} exists already, and {what}.",
        "Choose another folder, or move this one aside with --force.",
    )


def _is_site(folder: Path) -> bool:
    """Whether a folder holds the manifest of a site."""
    try:
        return bool(json.loads((OwnFolder(folder) / "site.json").read_bytes())["format"] == FORMAT)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _gathered(index: Reader, options: Options) -> tuple[list[Item], NDArray[np.float32], ModelFile]:
    """Return the items of a site, their vectors, float32 (N, D), and the encoder."""
    ids = index.ids(where=options.where)
    if not ids:
        raise UsageError(f"{index.path} has no pictures.")
    card = index.encoder.card
    if card.frame != Frame(card.image_size):
        raise UsageError(
            f"The encoder of {index.path} sees pictures as {card.fit} by {card.filter}, which the "
            "page of a site cannot make yet: it would find by other vectors.",
            "Import it with --fit crop --filter bilinear, and rebuild the collection with that.",
        )
    if options.most is not None and options.most < len(ids):
        positions = np.linspace(0, len(ids) - 1, options.most).astype(np.int64)
        ids = [ids[position] for position in np.unique(positions)]
    return index.items(ids), index.vectors_of(ids), index.encoder.model


def _fill(
    folder: Path,
    items: list[Item],
    rows: NDArray[np.float32],
    model: ModelFile,
    options: Options,
    copy: runtime.Copy | None,
) -> int:
    """Write all files but the thumbnails, and return the bytes that a visitor loads."""
    names = [_plain(item.relative if options.paths else item.path.name) for item in items]
    written = {
        "items": _file(folder, "items.json", json.dumps(names).encode()),
        "vectors": _file(folder, "vectors.bin", vectors.pack(rows)),
        "encoder": _file(folder, "encoder.onnx", model.data),
        "golden": _file(folder, "golden.json", golden_json(model).encode()),
        **_runtime(folder, copy),
    }
    site = {
        "format": FORMAT,
        "version": VERSION,
        "title": _plain(options.title),
        "count": len(items),
        "dimension": model.card.embedding_dim,
        "image_size": model.card.image_size,
        "encoder": {"name": model.card.name, "sha256": model.sha256},
        "files": written,
    }
    page = {name: _resource(name) for name in _PAGE}
    page["index.html"] = _index_html(options.title, len(items), local=copy is not None)
    page["site.json"] = json.dumps(site, indent=1)
    for name, text in page.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    own = sum(len(text.encode()) for text in page.values())
    return own + sum(int(file["bytes"]) for name, file in written.items() if name != "golden")


def _runtime(folder: Path, copy: runtime.Copy | None) -> dict[str, dict[str, Any]]:
    """Return the entries of the runtime in the manifest, after copying its two files if wanted.

    The script becomes ``.js``, as not every server knows the media type of ``.mjs``.
    """
    names = ("script", "binary")
    if copy is None:
        return {
            name: {"url": runtime.CDN + file.name, "bytes": file.size}
            | {"integrity": f"sha384-{file.sha384}"}
            for name, file in zip(names, runtime.PINNED, strict=True)
        }
    (folder / "runtime").mkdir()
    targets = ("runtime/ort.wasm.bundle.min.js", f"runtime/{runtime.BINARY}")
    return {
        name: _file(folder, target, source.read_bytes())
        for name, target, source in zip(names, targets, (copy.script, copy.binary), strict=True)
    }


def _file(folder: Path, name: str, data: bytes) -> dict[str, Any]:
    """Write a file, and return its entry in the manifest: address, size and checksum.

    The address includes a part of the checksum, so that no browser uses an older file of its cache.
    """
    (folder / name).write_bytes(data)
    digest = hashlib.sha384(data)
    return {
        "url": f"{name}?{digest.hexdigest()[:12]}",
        "bytes": len(data),
        "integrity": f"sha384-{base64.b64encode(digest.digest()).decode('ascii')}",
    }


def _index_html(title: str, count: int, *, local: bool) -> str:
    """Return the HTML of the page, with a content security policy.

    A runtime from the CDN is fetched as data, checked, and run as a blob, so that the policy allows
    no script of another server.
    """
    values = {
        "SCRIPTS": "'self' 'wasm-unsafe-eval'" + ("" if local else " blob:"),
        "CONNECT": "'self'" + ("" if local else f" {runtime.CDN}"),
        "FETCHED": "" if local else _FETCHED,
        "COUNT": f"{count:,} picture{'' if count == 1 else 's'}",
        "TITLE": escape(_plain(title)),
    }
    page = _resource("index.html")
    for name, value in values.items():  # The title is last: it may contain such a name.
        page = page.replace(f"@{name}@", value)
    return page


def _plain(text: str) -> str:
    """Return a text with replacement characters where it is not valid Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _resource(name: str) -> str:
    """Return the text of a file of the page."""
    return (resources.files("clr_search.site") / "page" / name).read_text(encoding="utf-8")
