"""The addresses of the page beside those of Gradio: its files, pictures, uploads and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

    from clr_search.app.parts import Parts


def of(parts: Parts) -> tuple[APIRouter, ...]:
    """Return the routes of the page of a collection."""
    from clr_search.app.routes.copies import copies
    from clr_search.app.routes.exports import exports
    from clr_search.app.routes.files import files
    from clr_search.app.routes.labels import labels
    from clr_search.app.routes.map import maps
    from clr_search.app.routes.pictures import pictures
    from clr_search.app.routes.runs import runs
    from clr_search.app.routes.uploads import uploads

    return (
        files(),
        pictures(parts.library, parts.tiles, parts.permissions),
        uploads(parts.library),
        exports(parts.library, parts.tiles, parts.permissions),
        maps(parts.overview),
        labels(parts.teacher, parts.finishing, parts.permissions),
        copies(parts.copies, parts.name),
        *([runs(parts.run)] if parts.run else []),
    )
