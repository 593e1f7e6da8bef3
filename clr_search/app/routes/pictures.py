"""Addresses of pictures: by id or by token, never by path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from clr_search.app.library.library import Library
from clr_search.app.library.permissions import Permissions
from clr_search.app.library.tiles import Tiles
from clr_search.app.routes.answers import NEVER, attachment, refused
from clr_search.errors import ClrSearchError
from clr_search.files.stores.address import ObjectPath

FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}
"""An address that has the version of its file in it never shows anything else."""

_PIECE = 2**20

_ID = re.compile(r"[0-9]{1,18}")


def pictures(library: Library, tiles: Tiles, permissions: Permissions) -> APIRouter:
    """Return the routes of pictures."""
    router = APIRouter()

    @router.get("/thumb/{number}")
    async def thumb(number: int, request: Request) -> Response:
        return await thumbnail(tiles, number, request)

    @router.get("/picture/{number}")
    async def picture(number: int, request: Request) -> Response:
        headers = FOR_EVER if request.query_params.get("v") else NEVER

        def draw() -> bytes:
            permissions.require("large")
            return tiles.large(number)

        return await drawn(draw, headers)

    @router.get("/upload/{token}")
    async def upload(token: str, request: Request) -> Response:
        large = request.query_params.get("large") == "1"
        return await drawn(lambda: tiles.upload(token, large=large), FOR_EVER)

    @router.get("/original/{number}")
    async def original(number: int) -> Response:
        try:
            permissions.require("originals")
            item = await anyio.to_thread.run_sync(library.item, number)
            if not await anyio.to_thread.run_sync(item.path.is_file):
                raise ClrSearchError(f"{item.path.name} is gone.")
        except ClrSearchError as error:
            return refused(error, NEVER)
        headers = NEVER | attachment(item.path.name)
        return _original(item.path, headers)

    return router


class Thumbnails:
    """ASGI middleware behind the guard that answers for thumbnails of the collection itself.

    A screen of results asks for fifty of them. The layers of FastAPI between a request and its
    function take as long as all the rest.

    Parameters
    ----------
    app : ASGIApp
        The application that answers all other requests.
    tiles : Tiles
        The thumbnails.
    path : str
        What their addresses begin with; an id follows.
    """

    def __init__(self, app: ASGIApp, tiles: Tiles, path: str) -> None:
        self._app, self._tiles, self._path = app, tiles, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a thumbnail, or pass the request on."""
        path = scope.get("path", "")
        number = path.removeprefix(self._path)
        if number == path or scope["method"] != "GET" or not _ID.fullmatch(number):
            await self._app(scope, receive, send)
            return
        response = await thumbnail(self._tiles, int(number), Request(scope))
        await response(scope, receive, send)


async def thumbnail(tiles: Tiles, number: int, request: Request) -> Response:
    """Answer with the thumbnail of an item."""
    headers = FOR_EVER if request.query_params.get("v") else NEVER
    return await drawn(lambda: tiles.thumbnail(number), headers)


async def drawn(draw: Callable[[], bytes], headers: dict[str, str]) -> Response:
    """Answer with a JPEG that another thread draws."""
    try:
        data = await anyio.to_thread.run_sync(draw)
    except ClrSearchError as error:
        return refused(error, NEVER)
    return Response(data, media_type="image/jpeg", headers=headers)


def _original(path: Path, headers: dict[str, str]) -> Response:
    """Return an answer with the bytes of a file, or of an object, as they are."""
    if isinstance(path, ObjectPath):
        return StreamingResponse(
            _pieces(path), media_type="application/octet-stream", headers=headers
        )
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


def _pieces(path: ObjectPath) -> Iterator[bytes]:
    """Yield the bytes of an object, of which no more than a piece is held at a time."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
