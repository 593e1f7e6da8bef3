"""Tools for agents by the Model Context Protocol, below ``/clr/mcp`` (``--mcp``).

An agent can search, look at pictures on contact sheets and classify; it can change nothing. What
the protocol is, the package `mcp` of its makers does: each message is answered by itself, as JSON,
without sessions. The guard of the page stands before it, and asks for the same logins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from clr_search.app.guard import TOOLS
from clr_search.app.programs.actions import Actions, Conditions
from clr_search.errors import ClrSearchError
from clr_search.version import __version__

AT_ONCE = 4
"""Calls that are answered at a time; others wait."""

_INSTRUCTIONS = (
    "A collection of pictures on the machine of its owner, searched by likeness. Pictures have "
    "ids. Begin with overview; search by ids or by a picture; look at results with contact_sheet."
)

_R = TypeVar("_R")


def tools_of(name: str, actions: Actions) -> MCPServer[Any]:
    """Return the server of the tools of a collection.

    Parameters
    ----------
    name : str
        Name of the collection.
    actions : Actions
        What may be asked.
    """
    server: MCPServer[Any] = MCPServer(
        f"clr-search: {name}", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    answer = _Answering()

    @server.tool()
    async def overview() -> dict[str, Any]:
        """Tell what is in the collection: how many pictures, labels, folders and columns."""
        return await answer(actions.overview)

    @server.tool()
    async def search(
        items: list[int] | None = None,
        without: list[int] | None = None,
        picture_base64: str = "",
        k: int = 12,
        label: str = "",
        folder: str = "",
        condition: str = "",
    ) -> dict[str, Any]:
        """Find the pictures most like some of the collection (items), or like a picture sent.

        Results are unlike those of `without`, have the label, lie in the folder, and meet the
        condition on columns, such as: width > 2000 AND taken >= '2024-05'. At most 500 are given.
        """

        def found() -> dict[str, Any]:
            upload = actions.brought(picture_base64)
            conditions = Conditions(label, folder, condition)
            rows = actions.search(items or [], without or [], upload, k, conditions)
            return {"results": rows}

        return await answer(found)

    @server.tool()
    async def picture(item: int) -> dict[str, Any]:
        """Tell all about a picture: its file, folder, label, size, dates and other columns."""
        return await answer(lambda: actions.picture(item))

    @server.tool()
    async def contact_sheet(items: list[int]) -> Image:
        """Show pictures beside each other, 1 to 60 of them, each with its id and name."""
        return Image(data=await answer(lambda: actions.sheet(items)), format="jpeg")

    @server.tool()
    async def classify(item: int | None = None, picture_base64: str = "") -> dict[str, Any]:
        """Tell what a picture of the collection, or one sent, is taken for, with probabilities."""
        return await answer(lambda: actions.classify(item, actions.brought(picture_base64)))

    return server


def manager_of(server: MCPServer[Any]) -> StreamableHTTPSessionManager:
    """Return what answers the messages of a server, while its `run` is entered."""
    server.streamable_http_app(
        streamable_http_path=TOOLS,
        json_response=True,
        stateless_http=True,
        # The guard has looked at the names of host and origin already, and knows those of a proxy.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return server.session_manager


class _Answering:
    """Runs calls in threads, a few at a time, and tells of failures in words."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, work: Callable[[], _R]) -> _R:
        self._limiter = self._limiter or anyio.CapacityLimiter(AT_ONCE)
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        except ClrSearchError as error:
            raise ToolError(f"{error.what} {error.remedy or ''}".strip()) from error
