"""The addresses of what is taught: labels as a table, in and out, and the classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from clr_search.app.routes.answers import NEVER, attachment, name_of, refused
from clr_search.app.teaching.tables import LISTED, exported, import_labels
from clr_search.errors import ClrSearchError, shortened

if TYPE_CHECKING:
    from clr_search.app.library.permissions import Permissions
    from clr_search.app.teaching.finishing import Finishing
    from clr_search.app.teaching.teacher import Teacher


def labels(teacher: Teacher, finishing: Finishing, permissions: Permissions) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/labels.csv")
    async def table() -> Response:
        try:
            data = await anyio.to_thread.run_sync(exported, teacher)
        except ClrSearchError as error:
            return refused(error, NEVER)
        headers = NEVER | attachment("labels.csv")
        return Response(data, media_type="text/csv; charset=utf-8", headers=headers)

    @router.post("/labels")
    async def bring(request: Request) -> Response:
        name = name_of(request)
        data = await request.body()
        try:
            permissions.require("write")
            found = await anyio.to_thread.run_sync(
                import_labels, teacher, data, name or "The table"
            )
        except ClrSearchError as error:
            return refused(error)
        rows = [
            {"line": row.line, "name": shortened(row.name, 300), "why": why}
            for row, why in found.missing[:LISTED]
        ]
        return JSONResponse(
            {
                "undo": found.undo,
                "pictures": found.pictures,
                "missing": len(found.missing),
                "rows": rows,
                "guessed": found.guessed,
            }
        )

    @router.get("/probe.onnx")
    async def probe() -> Response:
        finished = finishing.newest()
        if finished is None:
            error = ClrSearchError("There is no classifier yet.", "Make one in the Label tab.")
            return refused(error, NEVER)
        headers = NEVER | attachment("probe.onnx")
        return FileResponse(finished.path, media_type="application/octet-stream", headers=headers)

    return router
