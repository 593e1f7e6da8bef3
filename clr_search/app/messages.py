"""What messages of a browser may say before Gradio sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio as gr

MAX_VALUES = 6000
"""Bound on the number of values in a message, each of which takes much more memory than bytes."""

_ADDRESS = re.compile(r"^\s*[a-z][a-z0-9+.-]+:/", re.IGNORECASE)

_LONGEST_NAME = 64  # characters of the name that a browser gives to its visit


@dataclass(frozen=True, slots=True)
class Events:
    """What a page has: events of Gradio by number, and functions of its components by name.

    Attributes
    ----------
    numbers : frozenset of int
        Numbers of the events.
    functions : frozenset of (int, str)
        Number of a component, and the name of a function of it.
    """

    numbers: frozenset[int] = frozenset()
    functions: frozenset[tuple[int, str]] = frozenset()

    @classmethod
    def of(cls, page: gr.Blocks) -> Events:
        """Return what a page has."""
        functions = {
            (number, function.__name__)
            for number, block in page.blocks.items()
            for function in getattr(block, "server_fns", [])
        }
        return cls(frozenset(page.fns), frozenset(functions))

    def refusal(self, path: str, body: bytes) -> HTTPStatus | None:
        """Return the status that refuses a message to an address, or None for an acceptable one.

        A message is refused if it holds too many values (413), is no JSON object (400), names an
        event or a function that the page does not have (404), or a file by a network address (403).

        Examples
        --------
        >>> events = Events(frozenset({1, 2}))
        >>> join = "/gradio_api/queue/join"
        >>> events.refusal(join, b'{"fn_index": 1, "data": [{"path": "/tmp/a.jpg"}]}') is None
        True
        >>> int(events.refusal(join, b'{"fn_index": 1, "data": [{"path": "http://x.org/a"}]}'))
        403
        >>> int(events.refusal(join, b'{"data": [], "fn_index": 999}'))
        404
        """
        if sum(map(body.count, (b",", b"[", b"{"))) >= MAX_VALUES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return HTTPStatus.BAD_REQUEST
        if not isinstance(message, dict):
            return HTTPStatus.BAD_REQUEST
        if any(is_address(path) for path in _paths(message)):
            return HTTPStatus.FORBIDDEN
        return None if self._knows(path, message) else HTTPStatus.NOT_FOUND

    def _knows(self, path: str, message: dict[str, Any]) -> bool:
        """Whether the page has what a message names."""
        if "/component_server" in path:
            number, name = message.get("component_id"), message.get("fn_name")
            visit = message.get("session_hash")
            short = isinstance(visit, str) and len(visit) <= _LONGEST_NAME
            named = type(number) is int and isinstance(name, str) and "data" in message
            return short and named and (number, name) in self.functions
        if path.endswith("/queue/join"):
            number = message.get("fn_index")
            return type(number) is int and number in self.numbers
        return True


def is_address(path: str) -> bool:
    """Whether a path begins like a network address, with ``scheme:/``, and is not a local file.

    Examples
    --------
    >>> is_address("http://example.com/a.jpg"), is_address("/tmp/a.jpg"), is_address("C:/a.jpg")
    (True, False, False)
    """
    return _ADDRESS.match(path) is not None


def _paths(message: object) -> Iterator[str]:
    """Yield every value of a key ``path`` at any depth of a JSON message."""
    stack = [message]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            path = item.get("path")
            if isinstance(path, str):
                yield path
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
