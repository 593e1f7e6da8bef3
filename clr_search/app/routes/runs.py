"""The addresses of the sheets of a run: small pictures that its training has written."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter
from fastapi.responses import Response

from clr_search.app.library.run import SHEETS, RunFolder
from clr_search.app.routes.answers import NEVER, refused
from clr_search.errors import ClrSearchError


def runs(run: RunFolder) -> APIRouter:
    """Return the routes of the sheets."""
    router = APIRouter()

    @router.get("/run/{name}")
    async def sheet(name: str) -> Response:
        try:
            if name not in SHEETS:
                raise ClrSearchError("A run has no such pictures.")
            data = await anyio.to_thread.run_sync(run.sheet, name)
        except ClrSearchError as error:
            return refused(error, NEVER)
        return Response(data, media_type="image/jpeg", headers=NEVER)

    return router
