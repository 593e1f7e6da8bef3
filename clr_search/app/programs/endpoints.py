"""Named endpoints, by which scripts do what the page does, with `gradio_client`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from clr_search.app.programs.actions import Actions, Conditions
from clr_search.errors import ClrSearchError

AT_ONCE = 4
"""Calls of programs that are answered at a time; others wait."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def add_endpoints(actions: Actions) -> None:
    """Add the endpoints to the page that is being composed."""
    for endpoint in (*_asking(actions), *_sorting(actions)):
        gr.api(  # type: ignore[attr-defined]
            _in_words(endpoint),
            api_name=endpoint.__name__,
            concurrency_limit=AT_ONCE,
            concurrency_id="programs",
        )


def _asking(actions: Actions) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints that ask for pictures."""

    def search(
        items: list[int] | None = None,
        upload: str = "",
        k: int = 12,
        label: str = "",
        folder: str = "",
        condition: str = "",
        without: list[int] | None = None,
    ) -> list[dict[str, Any]]:
        """Find the pictures that are most like others.

        Args:
            items: Ids of pictures of the collection to search by; empty for the first pictures.
            upload: Token of a picture that was posted to /clr/upload; empty for none.
            k: Number of results, 1 to 500.
            label: Label that results must have; empty for any.
            folder: Folder that results must lie in; empty for any.
            condition: Condition on columns, such as width > 2000; empty for none.
            without: Ids of pictures that results should be unlike.

        Returns
        -------
            Rows with id, name, folder, label, similarity and size, the nearest first.
        """
        conditions = Conditions(label, folder, condition)
        return actions.search(items or [], without or [], upload, k, conditions)

    def picture(item: int) -> dict[str, Any]:
        """Tell all about a picture of the collection.

        Args:
            item: Id of the picture.

        Returns
        -------
            Its path, folder, label, size, dates and other columns.
        """
        return actions.picture(item)

    def overview() -> dict[str, Any]:
        """Tell what is in the collection.

        Returns
        -------
            The number of pictures, and the labels, folders and columns to filter by.
        """
        return actions.overview()

    def classify(item: int | None = None, upload: str = "") -> dict[str, Any]:
        """Tell what a picture is taken for, by the app's classifier, or by the labels given.

        Args:
            item: Id of a picture of the collection; none where there is an upload.
            upload: Token of a picture that was posted to /clr/upload; empty for none.

        Returns
        -------
            The classes with their probabilities, and whether it is of any, if that is known.
        """
        return actions.classify(item, upload)

    return search, picture, overview, classify


def _sorting(actions: Actions) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints that sort the collection: by labels, copies, groups and places."""

    def label(items: list[int], label: str = "") -> dict[str, Any]:
        """Give pictures a label, where visitors may.

        Args:
            items: Ids of the pictures.
            label: Their label from now on; empty to take it away.

        Returns
        -------
            The classes, how well they are learnt, and a token that undoes the change.
        """
        return actions.label(items, label)

    def proposals(k: int = 24) -> list[dict[str, Any]]:
        """Name the pictures whose labels would teach most.

        Args:
            k: Number of pictures.

        Returns
        -------
            Their rows.
        """
        return actions.proposals(k)

    def copies(begin: bool = False, offset: int = 0, k: int = 20) -> dict[str, Any]:
        """Look for copies; it takes a while, so ask again until groups are there.

        Args:
            begin: Whether to begin a search.
            offset: Number of groups to pass over.
            k: Number of groups.

        Returns
        -------
            How far the search is, and groups of copies with a proposal of which to keep.
        """
        return actions.copies(begin, offset, k)

    def groups() -> dict[str, Any]:
        """Sort the collection into groups of like pictures; ask again until they are ready.

        Returns
        -------
            Whether they are ready, and the groups with their sizes and some pictures of each.
        """
        return actions.groups()

    def places(offset: int = 0, k: int = 10_000) -> dict[str, Any]:
        """Place the pictures in the plane, like ones together; ask again until they are placed.

        Args:
            offset: Number of pictures to pass over.
            k: Number of pictures, at most 100,000.

        Returns
        -------
            Whether the map is ready, how many pictures it has, and the ids of these with their
            places, from 0 to 1 in both directions.
        """
        return actions.places(offset, k)

    return label, proposals, copies, groups, places


def _in_words(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function with failures that Gradio tells in words."""

    @wraps(function)
    def answered(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except ClrSearchError as error:
            words = f"{error.what} {error.remedy or ''}".strip()
            raise gr.Error(words, print_exception=False) from error

    return answered
