"""Named endpoints for programs: what the page can do, by `gradio_client` or as tools of an agent.

They take ids of the collection, and tokens of pictures that were posted to ``/clr/upload``; no
address is fetched and no path is opened that a program names. The same guard and the same logins
stand before them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from clr_search.app.functions.carried import Answer
from clr_search.app.functions.search import Searching
from clr_search.app.library.asked import Asked
from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    from clr_search.app.library.library import Library
    from clr_search.app.library.permissions import Permissions

MOST = 500
"""Largest number of results of one call."""

AT_ONCE = 4
"""Calls of programs that are answered at a time; others wait."""


def add_endpoints(library: Library, permissions: Permissions) -> None:
    """Add the endpoints to the page that is being composed.

    Parameters
    ----------
    library : Library
        The collection.
    permissions : Permissions
        What visitors may see and do.
    """
    searching = Searching(library, permissions)

    def search(
        items: list[int] | None = None,
        upload: str = "",
        k: int = 12,
        label: str = "",
        folder: str = "",
        condition: str = "",
    ) -> list[dict[str, Any]]:
        """Find the pictures that are most like others.

        Args:
            items: Ids of pictures of the collection to search by; empty for the first pictures.
            upload: Token of a picture that was posted to /clr/upload; empty for none.
            k: Number of results, 1 to 500.
            label: Label that results must have; empty for any.
            folder: Folder that results must lie in; empty for any.
            condition: Condition on columns, such as width > 2000; empty for none.

        Returns
        -------
            Rows with id, name, folder, label, similarity and size, the nearest first.
        """
        terms: list[dict[str, Any]] = [{"id": number} for number in items or []]
        if upload:
            terms.append({"upload": upload})
        asked = {"terms": terms, "label": label, "under": folder, "where": condition}
        found = _answered(searching.find, {"search": asked, "count": min(max(1, int(k)), MOST)})
        rows: list[dict[str, Any]] = found["rows"]
        return rows

    def picture(item: int) -> dict[str, Any]:
        """Tell all about a picture of the collection.

        Args:
            item: Id of the picture.

        Returns
        -------
            Its path, folder, label, size, dates and other columns.
        """
        return _answered(searching.item, {"id": item})

    def overview() -> dict[str, Any]:
        """Tell what is in the collection.

        Returns
        -------
            The number of pictures, and the labels, folders and columns to filter by.
        """
        return _answered(searching.offers, {})

    for endpoint in (search, picture, overview):
        gr.api(  # type: ignore[attr-defined]
            endpoint,
            api_name=endpoint.__name__,
            concurrency_limit=AT_ONCE,
            concurrency_id="programs",
        )


def _answered(function: Callable[[Asked], Answer], given: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a function of the page; its failure is one of Gradio's, in words."""
    try:
        return function(Asked(given))
    except ClrSearchError as error:
        words = f"{error.what} {error.remedy or ''}".strip()
        raise gr.Error(words, print_exception=False) from error
