"""`Address`: where a collection on Milvus is, read from what a person writes.

::

    milvus://HOST[:PORT]/[DATABASE/]COLLECTION[?tenant=NAME&consistency=LEVEL]
    milvus+tls://…                          the same, encrypted
    milvus+file:PATH.db/COLLECTION          milvus-lite: a folder on this machine, no server

An address holds no secret: the token comes from the environment variable MILVUS_TOKEN.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import parse_qsl

from clr_search.errors import UsageError

TOKEN = "MILVUS_TOKEN"  # noqa: S105  # the name of the variable, not its value
"""Environment variable with the token of the server, or with ``user:password``."""

Consistency = Literal["strong", "session", "bounded", "eventually"]

_FORM = "milvus://HOST:19530/COLLECTION, milvus+tls://… or milvus+file:PATH.db/COLLECTION"
_PORT = 19530
# One slash as well as two: `Path` makes one of them.
_ADDRESS = re.compile(r"(milvus|milvus\+tls|milvus\+file):(.*)", re.DOTALL)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:(?P<port>\d{1,5}))?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_TENANT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Address:
    """The place of a collection on Milvus.

    Attributes
    ----------
    uri : str
        What the client connects to: ``http://host:port``, ``https://…``, or the path of a file of
        milvus-lite.
    collection : str
        Name of the collection, in letters, digits and underscores.
    database : str
        Name of the database on the server; empty for the default one.
    tenant : str
        Whose items they are, of several that share the collection; empty where it is not shared.
    consistency : str
        What a read has to see: ``"strong"`` everything that was acknowledged before, by anybody;
        ``"session"`` what this process has written; ``"bounded"`` what is some seconds old;
        ``"eventually"`` whatever the server has.

    Examples
    --------
    >>> address = Address.read("milvus://localhost/photos?tenant=anna")
    >>> address.uri, address.collection, address.tenant, str(address)
    ('http://localhost:19530', 'photos', 'anna', 'milvus://localhost:19530/photos?tenant=anna')
    >>> str(Address.read("milvus+file:/data/all.db/photos"))
    'milvus+file:/data/all.db/photos'
    """

    uri: str
    collection: str
    database: str = ""
    tenant: str = ""
    consistency: Consistency = "strong"

    @classmethod
    def read(cls, text: str) -> Address:
        """Returns the address that a text states.

        Raises
        ------
        UsageError
            If it is none. The message does not repeat a text that may hold a password.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise UsageError("That is no address of a collection on Milvus.", f"Forms: {_FORM}")
        scheme, rest = match.groups()
        place, _, options = rest.partition("?")
        tenant, consistency = _options(options)
        if scheme == "milvus+file":
            file, _, collection = place.rpartition("/")
            if not file.endswith(".db"):
                raise UsageError(
                    f"{text} names no file of milvus-lite.",
                    "Give milvus+file:PATH.db/COLLECTION, with a path that ends in .db.",
                )
            return cls(os.path.abspath(file), _name(collection), "", tenant, consistency)  # noqa: PTH100
        host, _, path = place.lstrip("/").partition("/")
        if "@" in host:
            raise UsageError(
                "An address of Milvus holds no password, since addresses are printed and stored.",
                f"Give the token in the environment variable {TOKEN}.",
            )
        found = _HOST.fullmatch(host)
        if found is None:
            raise UsageError(f"{host!r} is no host of Milvus.", f"Forms: {_FORM}")
        database, _, collection = path.rpartition("/")
        protocol = "https" if scheme == "milvus+tls" else "http"
        return cls(
            f"{protocol}://{found['host']}:{found['port'] or _PORT}",
            _name(collection),
            _name(database) if database else "",
            tenant,
            consistency,
        )

    @property
    def is_file(self) -> bool:
        """Whether it is a file of milvus-lite, and not on a server."""
        return not self.uri.startswith(("http://", "https://"))

    @property
    def key(self) -> str:
        """A name for files that belong to this place alone, whatever the consistency."""
        place = "\0".join((self.uri, self.database, self.collection, self.tenant))
        return f"{self.collection[:40]}-{hashlib.sha256(place.encode()).hexdigest()[:16]}"

    def __str__(self) -> str:
        options = "&".join(
            f"{name}={value}"
            for name, value in (("tenant", self.tenant), ("consistency", self.consistency))
            if value and value != "strong"
        )
        ending = f"?{options}" if options else ""
        if self.is_file:
            return f"milvus+file:{self.uri}/{self.collection}{ending}"
        scheme = "milvus+tls" if self.uri.startswith("https") else "milvus"
        place = self.uri.partition("://")[2] + (f"/{self.database}" if self.database else "")
        return f"{scheme}://{place}/{self.collection}{ending}"


def _name(name: str) -> str:
    """Returns the name of a collection or database; refuses what Milvus would not take."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a collection on Milvus.",
            "Such names have letters, digits and underscores, and do not begin with a digit.",
        )
    return name


def _options(text: str) -> tuple[str, Consistency]:
    """Returns the tenant and the consistency behind the question mark."""
    options = dict(parse_qsl(text, keep_blank_values=True))
    tenant = options.pop("tenant", "")
    if "tenant" in text and not _TENANT.fullmatch(tenant):
        raise UsageError(
            f"{tenant!r} is no name of a tenant.", "Give letters, digits, dots, - and _, up to 64."
        )
    level = options.pop("consistency", "strong").lower()
    if level not in get_args(Consistency):
        raise UsageError(
            f"There is no consistency {level!r}.", f"There are: {', '.join(get_args(Consistency))}."
        )
    if options:
        raise UsageError(
            f"An address of Milvus has no option {next(iter(options))!r}.",
            "There are: tenant, consistency.",
        )
    return tenant, level  # type: ignore[return-value]  # checked above


def is_address(path: Path | str) -> bool:
    """Whether a path names a collection on Milvus, and no folder.

    Examples
    --------
    >>> is_address("milvus://localhost/photos"), is_address(Path("photos.clr"))
    (True, False)
    """
    return str(path).startswith(("milvus:/", "milvus+tls:/", "milvus+file:"))


class AddressPath(type(Path())):  # type: ignore[misc]  # the class of paths on this system
    """An address where the path of a folder may stand too; it keeps both slashes.

    Examples
    --------
    >>> path = AddressPath("milvus://localhost/photos")
    >>> str(path), path.name, is_address(path)
    ('milvus://localhost/photos', 'photos', True)
    """

    def __str__(self) -> str:
        """The address, with the two slashes that `Path` would make one."""
        text: str = super().__str__()
        head, colon, rest = text.partition(":/")
        return f"{head}://{rest}" if colon and not head.endswith("+file") else text

    def resolve(self, strict: bool = False) -> AddressPath:
        """Returns it as it is: an address has no links."""
        return self

    def absolute(self) -> AddressPath:
        """Returns it as it is: an address is absolute."""
        return self

    def exists(self, **kwargs: bool) -> bool:
        """Returns whether there is such a collection on the server.

        Raises
        ------
        ClrSearchError
            If the server cannot be reached.
        """
        from clr_search.index.catalog.milvus.schema import is_there

        return is_there(Address.read(str(self)))


def place_of(value: object) -> AddressPath | None:
    """Returns the address that a value is, as a path; None where it names a folder or file.

    Raises
    ------
    UsageError
        If it is meant as an address, and is none.

    Examples
    --------
    >>> str(place_of("milvus://localhost/photos")), place_of("photos.clr")
    ('milvus://localhost:19530/photos', None)
    """
    if not is_address(str(value)):
        return None
    return AddressPath(str(Address.read(str(value))))
