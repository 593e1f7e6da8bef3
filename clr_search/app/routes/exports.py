"""The address from which chosen pictures are taken away: as a table, a sheet, or files."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from clr_search.app.library.library import Library
from clr_search.app.library.permissions import Permissions
from clr_search.app.library.tiles import Tiles
from clr_search.app.routes.answers import attachment, message_of, refused
from clr_search.errors import ClrSearchError, UsageError

if TYPE_CHECKING:
    from clr_search.index import Item

KINDS = ("csv", "sheet", "zip")

MOST_ON_SHEET = 200
"""Largest number of pictures on a contact sheet, all of which are decoded for it."""

MOST_IN_ZIP_BYTES = 4 * 2**30
"""Largest total of the files in a zip, in bytes."""

_COLUMNS, _TILE, _GAP, _TEXT = 8, 240, 16, 15  # of a contact sheet; lengths in pixels

_PIECE = 2**20  # bytes of a file that are read at a time


def exports(library: Library, tiles: Tiles, permissions: Permissions) -> APIRouter:
    """Return the route of exports."""
    router = APIRouter()

    @router.post("/export")
    async def export(request: Request) -> Response:
        try:
            asked = await message_of(request)
            kind = asked.choice("kind", KINDS)
            ids = asked.items()
            if not ids:
                raise UsageError("No pictures are chosen.", "Choose some in the grid.")
            with_all = (library, tiles, permissions, kind, ids)
            return await anyio.to_thread.run_sync(_exported, *with_all)
        except ClrSearchError as error:
            return refused(error)

    return router


def _exported(
    library: Library, tiles: Tiles, permissions: Permissions, kind: str, ids: Sequence[int]
) -> Response:
    """Return the answer for some pictures, in the order of their ids given."""
    with library.reading() as index:
        known = index.known_items(ids)
    items = [known[number] for number in ids if number in known]
    if kind == "csv":
        return Response(
            table(items), media_type="text/csv; charset=utf-8", headers=attachment("pictures.csv")
        )
    if kind == "sheet":
        return Response(
            sheet(tiles, items), media_type="image/jpeg", headers=attachment("pictures.jpg")
        )
    permissions.require("originals")
    total = sum(item.size for item in items)
    if total > MOST_IN_ZIP_BYTES:
        raise UsageError(
            f"These files have {total / 2**30:.1f} GiB; a zip may have "
            f"{MOST_IN_ZIP_BYTES / 2**30:g}.",
            "Choose fewer.",
        )
    return StreamingResponse(
        zipped(items), media_type="application/zip", headers=attachment("pictures.zip")
    )


def table(items: Sequence[Item]) -> bytes:
    """Return a table of pictures in UTF-8, which spreadsheets open: path, label, size, id."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("path", "label", "width", "height", "bytes", "id"))
    for item in items:
        label = item.label or ""
        writer.writerow((str(item.path), label, item.width, item.height, item.size, item.id))
    return text.getvalue().encode("utf-8", "replace")


def _name(item: Item) -> str:
    return item.path.name


def sheet(tiles: Tiles, items: Sequence[Item], named: Callable[[Item], str] = _name) -> bytes:
    """Return a JPEG with the thumbnails of pictures beside each other, and what `named` says.

    Raises
    ------
    UsageError
        If there are too many for one sheet.
    """
    from PIL import Image, ImageDraw

    from clr_search.pictures.lettering import INK, PAPER, shortened, write

    if len(items) > MOST_ON_SHEET:
        raise UsageError(
            f"A contact sheet can have {MOST_ON_SHEET} pictures, not {len(items):,}.",
            "Choose fewer, or export a table.",
        )
    columns = min(_COLUMNS, len(items))
    lines = -(-len(items) // columns)
    wide, high = _TILE + _GAP, _TILE + _GAP + 2 * _TEXT
    page = Image.new("RGB", (columns * wide + _GAP, lines * high + _GAP), PAPER)
    draw = ImageDraw.Draw(page)
    for position, item in enumerate(items):
        x, y = _GAP + position % columns * wide, _GAP + position // columns * high
        try:
            picture = Image.open(io.BytesIO(tiles.thumbnail(item.id)))
        except ClrSearchError as error:
            write(draw, (x, y), shortened(error.what, _TEXT, _TILE), _TEXT, INK)
        else:
            picture.thumbnail((_TILE, _TILE))
            across, down = (_TILE - picture.width) // 2, (_TILE - picture.height) // 2
            page.paste(picture, (x + across, y + down))
        name = shortened(named(item), _TEXT, _TILE)
        write(draw, (x, y + _TILE + _GAP // 2), name, _TEXT, INK)
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


class _Pieces(io.RawIOBase):
    """A file that is written, and read away at once; zip files can be written to it."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        """It can be written."""
        return True

    def write(self, data: object) -> int:
        """Take bytes."""
        view = memoryview(data)  # type: ignore[arg-type]
        self._written += view
        return view.nbytes

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = bytes(self._written)
        self._written.clear()
        return taken


def zipped(items: Sequence[Item]) -> Iterator[bytes]:
    """Yield the bytes of a zip with the files as they are; those that are gone are listed in it."""
    pieces, gone = _Pieces(), []
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED) as archive:
        for item in items:
            entry = zipfile.ZipInfo(
                f"{item.id}-{item.path.name}".encode("utf-8", "replace").decode()
            )
            try:
                source = item.path.open("rb")
            except OSError as error:
                gone.append(f"{item.path}: {error.strerror}")
                continue
            with source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield pieces.take()
        if gone:
            archive.writestr("missing.txt", "\n".join(gone).encode("utf-8", "replace"))
    yield pieces.take()
