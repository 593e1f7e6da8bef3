"""The address to which a visitor brings a picture: its bytes as they are, its name in a header."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from clr_search.app.library.library import Library
from clr_search.app.routes.answers import name_of, refused
from clr_search.errors import ClrSearchError, ImageError

_UNNAMED = {"image.png", "image.jpg", "blob", "file", ""}
"""Names that browsers give to pictures that have none."""


def uploads(library: Library) -> APIRouter:
    """Return the route of uploads."""
    router = APIRouter()

    @router.post("/upload")
    async def upload(request: Request) -> Response:
        name = name_of(request)
        title = "Your picture" if name in _UNNAMED else name
        data = await request.body()
        try:
            brought = await anyio.to_thread.run_sync(library.brought, data, title)
        except ImageError as error:
            return refused(
                ClrSearchError(
                    f"{title} could not be read as a picture: {error.what.rstrip('.')}.",
                    "Try another file: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC are read.",
                )
            )
        except ClrSearchError as error:
            return refused(error)
        return JSONResponse(
            {"upload": brought.token, "name": title, "w": brought.width, "h": brought.height}
        )

    return router
