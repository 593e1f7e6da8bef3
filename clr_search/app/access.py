"""Who may use the page: with or without a login, under which names, and what they see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clr_search.app.library.permissions import Permissions
from clr_search.errors import UsageError
from clr_search.web.hosts import LOOPBACK

if TYPE_CHECKING:
    from clr_search.web.requests.login import Logins


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use the page, and under which names.

    Attributes
    ----------
    logins : Logins or None
        Who may use it; None for everybody who reaches it.
    open_to_all : bool
        Whether everybody may who reaches an address other than this machine's own.
    more_hosts : tuple of str
        Names by which it may be addressed, besides IP addresses, `localhost` and the host that it
        listens on.
    root_path : str
        Path below which a proxy shows it, such as ``/photos``.
    originals : bool
        Whether files of the collection can be downloaded as they are.
    thumbnails_only : bool
        Whether no picture is shown larger than its thumbnail.
    tools : bool
        Whether agents may search by the Model Context Protocol; see `programs.tools`.
    """

    logins: Logins | None = None
    open_to_all: bool = False
    more_hosts: tuple[str, ...] = ()
    root_path: str = ""
    originals: bool = False
    thumbnails_only: bool = False
    tools: bool = False

    def is_known(self, host: str) -> bool:
        """Whether only people with a login, or on this machine, reach the address `host`."""
        return host in LOOPBACK or self.logins is not None

    def require_login(self, host: str) -> None:
        """Refuse to open the collection to a network by mistake.

        Raises
        ------
        UsageError
            If other machines can reach the address `host`, and nobody said that they may; or agents
            on other machines could, without a login.
        """
        elsewhere = host not in LOOPBACK or self.more_hosts or self.root_path
        if self.tools and self.logins is None and elsewhere:
            raise UsageError(
                "With --mcp, agents of others could search the pictures.",
                "Give --auth FILE with a login a line, as in ada:password, or leave out --host, "
                "--allow-host and --root-path.",
            )
        if not self.is_known(host) and not self.open_to_all:
            raise UsageError(
                f"On {host} everybody in the network could see the pictures.",
                "Give --auth FILE with a login a line, as in ada:password, or say --no-auth if "
                "that is wanted.",
            )

    def permissions(self, host: str) -> Permissions:
        """Return what visitors may see and do on the address `host`."""
        return Permissions(
            large=not self.thumbnails_only,
            originals=self.originals,
            reveal=host in LOOPBACK and not self.more_hosts and not self.root_path,
            write=self.is_known(host) and not self.open_to_all,
        )


LOCAL = Access()
"""Everybody who reaches it on this machine."""
