"""The two collections on Milvus that are one collection of clr-search.

``NAME`` has a row for each item: its vector, the fields that filters compare, and in ``row`` all
that the catalogue keeps of it, as JSON. ``NAME_catalog`` has what is true of the collection as a
whole: facts, folders, skipped files, columns, notes, dismissals, and the lease of the writer. Its
vector is there because Milvus has no collection without one.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog.milvus.address import Address
from clr_search.index.catalog.milvus.connection import Connection

VERSION = 1
"""Version of the fields and of what is in them; stored as a property of the collection."""

VECTOR, ANCHOR = "vector", "anchor"
SCHEMA_VERSION, DIMENSION, TENANTS = (
    "clr_search.schema",
    "clr_search.dimension",
    "clr_search.tenants",
)

LONGEST = 65_535
"""The most bytes of a text field in Milvus."""

_KEYED = (2, 4)
"""The first version of Milvus whose upserts put a row into the partition of its key. Version 2.3.5
takes that of its id, and a search through the key then finds a sixteenth."""


def beside(collection: str) -> str:
    """Returns the name of the collection with what is true of `collection` as a whole.

    Examples
    --------
    >>> beside("photos")
    'photos_catalog'
    """
    return f"{collection}_catalog"


def is_there(address: Address) -> bool:
    """Returns whether both collections are there; raises the errors of `Connection`."""
    if address.is_file and not os.path.exists(address.uri):  # noqa: PTH110  # opening would make it
        return False
    connection = Connection(address)
    try:
        return both_are_there(connection)
    finally:
        connection.close()


def both_are_there(connection: Connection) -> bool:
    """Returns whether both collections are there."""
    name = connection.address.collection
    return connection.has(name) and connection.has(beside(name))


def make(connection: Connection, dimension: int) -> None:
    """Makes the collections that are not there yet.

    Raises
    ------
    UsageError
        If a collection of the name is there that is not of clr-search.
    """
    address = connection.address
    if connection.has(address.collection) and not _is_ours(connection):
        raise UsageError(
            f"{address} is a collection of another program.", "Choose another name for it."
        )
    properties = {
        SCHEMA_VERSION: str(VERSION),
        DIMENSION: str(dimension),
        TENANTS: str(int(bool(address.tenant))),
    }
    asked = [
        (beside(address.collection), _of_facts(connection), ANCHOR, {}),
        (address.collection, _of_items(connection, dimension), VECTOR, properties),
    ]
    with ThreadPoolExecutor(2) as both:  # a server takes three seconds for each
        made = [both.submit(connection.create, *one) for one in asked if not connection.has(one[0])]
    for one in made:
        one.result()


def check(connection: Connection) -> int:
    """Returns D of a collection that is there, after checking that this release can use it.

    Raises
    ------
    UsageError
        If there is none, it is not of clr-search, of another version, or shared by tenants where
        the address names none, or the other way round.
    """
    address = connection.address
    if not both_are_there(connection):
        raise _none(address)
    if not _is_ours(connection):
        raise UsageError(
            f"{address} is a collection of another program.", "Choose another name for it."
        )
    kept = _properties(connection)
    if kept.get(SCHEMA_VERSION) != str(VERSION):
        raise UsageError(
            f"{address} has schema version {kept.get(SCHEMA_VERSION)}; this release reads "
            f"{VERSION}.",
            "Use a matching release of clr-search, or build the collection anew.",
        )
    shared = kept.get(TENANTS) == "1"
    if shared != bool(address.tenant):
        raise UsageError(
            f"{address} is {'shared by tenants' if shared else 'not shared by tenants'}.",
            "Name yours: …?tenant=NAME" if shared else "Leave out the tenant.",
        )
    connection.load(address.collection, VECTOR)
    connection.load(beside(address.collection), ANCHOR)
    try:
        return int(kept[DIMENSION])
    except (KeyError, ValueError):
        raise ClrSearchError(
            f"{address} is damaged: its dimension is {kept.get(DIMENSION)!r}.",
            "Restore it from a backup, or build it anew.",
        ) from None


def require_file(address: Address) -> None:
    """Refuses a file of milvus-lite that is not there, which opening would make.

    Raises
    ------
    UsageError
        Says how to make a collection.
    """
    if address.is_file and not os.path.exists(address.uri):  # noqa: PTH110
        raise _none(address)


def _none(address: Address) -> UsageError:
    """Returns the error for a collection that is not there."""
    return UsageError(
        f"There is no collection {address}.",
        f"Make one with: clr-search build-index IMAGES --index {address}",
    )


def _is_ours(connection: Connection) -> bool:
    """Returns whether the collection of items has our properties."""
    return SCHEMA_VERSION in _properties(connection)


def _properties(connection: Connection) -> dict[str, str]:
    """Returns the properties of the collection of items."""
    described = connection.describe(connection.address.collection)
    return {str(k): str(v) for k, v in dict(described.get("properties") or {}).items()}


def _of_items(connection: Connection, dimension: int) -> Any:
    """Returns the schema of the items."""
    schema, types = connection.new_schema(), connection.types
    keyed = bool(connection.address.tenant) and has_keyed_upserts(connection.version)
    schema.add_field("id", types.INT64, is_primary=True)
    schema.add_field("tenant", types.VARCHAR, max_length=64, is_partition_key=keyed)
    schema.add_field("changed", types.INT64)  # revision of the collection at the last change
    schema.add_field("label", types.INT64)  # hash of the label; -1 without
    schema.add_field("root", types.INT64)
    schema.add_field("side", types.INT64)  # the shorter side in pixels
    schema.add_field("size", types.INT64)  # bytes of the file
    schema.add_field("row", types.VARCHAR, max_length=LONGEST)
    schema.add_field(VECTOR, types.FLOAT_VECTOR, dim=dimension)
    return schema


def _of_facts(connection: Connection) -> Any:
    """Returns the schema of what is true of the whole."""
    schema, types = connection.new_schema(), connection.types
    schema.add_field("id", types.INT64, is_primary=True)  # hash of tenant, kind and key
    schema.add_field("tenant", types.VARCHAR, max_length=64)
    schema.add_field("changed", types.INT64)
    schema.add_field("kind", types.VARCHAR, max_length=32)
    schema.add_field("row", types.VARCHAR, max_length=LONGEST)
    schema.add_field(ANCHOR, types.FLOAT_VECTOR, dim=2)
    return schema


def has_keyed_upserts(version: str) -> bool:
    """Returns whether upserts of a server go to the partition of the key.

    Examples
    --------
    >>> has_keyed_upserts("v2.3.5-lite"), has_keyed_upserts("milvus_lite-3.2.2")
    (False, True)
    >>> has_keyed_upserts("v2.5.4")
    True
    """
    digits = version.removeprefix("milvus_lite-").removeprefix("v").split("-")[0].split(".")
    try:
        return tuple(int(part) for part in digits[:2]) >= _KEYED
    except ValueError:
        return False
