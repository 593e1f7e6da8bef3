"""The scripts and style sheets of the page, read once and named by what is in them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

FOLDER = Path(__file__).parent.parent / "static"

_KINDS = {".js": "text/javascript", ".css": "text/css"}


def contents() -> dict[str, tuple[str, bytes]]:
    """Return media type and bytes of each file, by its name."""
    return {
        path.name: (_KINDS[path.suffix], path.read_bytes())
        for path in sorted(FOLDER.iterdir())
        if path.suffix in _KINDS
    }


def files() -> APIRouter:
    """Return the route of the files; a browser asks again whether it has the newest."""
    router = APIRouter()
    known = contents()
    tags = {name: f'"{sha256(data).hexdigest()[:20]}"' for name, (_, data) in known.items()}

    @router.get("/static/{name}")
    async def file(name: str, request: Request) -> Response:
        if name not in known:
            return Response("There is no such file.", 404, media_type="text/plain")
        headers = {"etag": tags[name], "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        kind, data = known[name]
        return Response(data, media_type=kind, headers=headers)

    return router
