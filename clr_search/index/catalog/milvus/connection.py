"""`Connection`: the one door to pymilvus, whose errors become ones that say what to do.

Expressions that reach this module hold numbers, names that `address` has checked and nothing else:
no text of a user is ever part of one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from clr_search.errors import ClrSearchError, UsageError, reason_of, require
from clr_search.index.catalog.milvus.address import TOKEN, Address

PAGE = 16_384
"""The most rows, and the most neighbours, that Milvus answers at once."""

_SECONDS = 60.0  # so long a call is tried again before it fails: a server restarts within
_REACHED = 10.0  # seconds in which a server has to answer at first
_MESSAGE = 8 * 2**20  # bytes of one message that writes; Milvus takes up to 64 MB

Row = dict[str, Any]
"""A row of a collection on Milvus: value by the name of the field."""

_AWAY = (
    *("connect", "unavailable", "timeout", "timed out", "deadline", "not ready"),
    "unrecoverable",  # what a server says whose parts have not all started
)
"""Words by which Milvus, pymilvus and gRPC tell that a server is away, or not there yet."""


class Connection:
    """A connection to a server of Milvus, or to a file of milvus-lite.

    Several threads may use it.

    Parameters
    ----------
    address : Address
        Where it is.

    Raises
    ------
    MissingExtraError
        If pymilvus, or milvus-lite for a file, is not installed.
    UsageError
        If the server refuses the token, or has no such database.
    ClrSearchError
        If the server cannot be reached.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.reads = {"consistency_level": address.consistency.capitalize()}
        # gRPC would print what it meets on the way; errors are told here.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        pymilvus = require("pymilvus", "milvus")
        if address.is_file:
            require("milvus_lite", "milvus")
            os.makedirs(os.path.dirname(address.uri), exist_ok=True)  # noqa: PTH103, PTH120
        # It logs each error with a traceback, and what is raised here says the same.
        for name in ("pymilvus", "milvus_lite", "grpc._server"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._pymilvus = pymilvus
        self._closed = threading.Event()
        token = os.environ.get(TOKEN, "")
        with self.explained():
            self._client = pymilvus.MilvusClient(
                uri=address.uri, token=token, db_name=address.database, timeout=_REACHED
            )
            self.version = str(self._client.get_server_version(timeout=_REACHED))

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turns errors of pymilvus and gRPC into ones that say what to do, without a token."""
        import grpc

        try:
            yield
        except (self._pymilvus.MilvusException, grpc.RpcError, ValueError) as error:
            if self._closed.is_set():
                what = f"{self.address} has been closed."
                raise ClrSearchError(what, "Open it again.") from None
            raise self._told(error) from None  # its own text may hold the token

    def _told(self, error: Exception) -> ClrSearchError:
        """Returns the error to raise for one of pymilvus."""
        reason = reason_of(Exception(getattr(error, "message", "") or str(error)), 300)
        token = os.environ.get(TOKEN, "")
        for secret in filter(None, (token, token.partition(":")[2])):
            reason = reason.replace(secret, "…")
        low = f"{reason} {error.__cause__}".lower()  # what gRPC said, below what pymilvus does
        where = self.address.uri
        if "unauthenticated" in low or "auth check" in low or "permission" in low:
            return UsageError(
                f"Milvus at {where} refuses the token.",
                f"Give one that it knows in the environment variable {TOKEN}.",
            )
        if "database not found" in low or "database not exist" in low:
            return UsageError(f"Milvus at {where} has no database {self.address.database}.")
        if self.address.is_file:
            return ClrSearchError(
                f"{where} cannot be opened by milvus-lite: {reason}.",
                "Only one process at a time can use such a file: end the other one, or use a "
                "server of Milvus.",
            )
        if "not loaded" in low or "not fully loaded" in low:
            return ClrSearchError(
                f"{self.address} cannot be searched now: its index is being built, or Milvus has "
                "just started.",
                "Try again in some seconds.",
            )
        if any(word in low for word in _AWAY):
            return ClrSearchError(
                f"Milvus at {where} cannot be reached: {reason}.",
                "Check that it runs, and its address. What was acknowledged is kept; the same "
                "command goes on from there.",
            )
        return ClrSearchError(f"Milvus at {where} has failed: {reason}.", "See its log.")

    # -- collections

    def has(self, collection: str) -> bool:
        """Returns whether there is a collection of this name."""
        with self.explained():
            return bool(self._client.has_collection(collection, timeout=_SECONDS))

    def new_schema(self) -> Any:
        """Returns an empty schema of pymilvus, to which `schema` adds fields."""
        return self._client.create_schema(auto_id=False, enable_dynamic_field=False)

    @property
    def types(self) -> Any:
        """The types of fields, by their names."""
        return self._pymilvus.DataType

    def create(self, collection: str, schema: Any, field: str, properties: Row) -> None:
        """Makes a collection that is searched exactly, by cosines, and loads it."""
        with self.explained():
            self._client.create_collection(
                collection,
                schema=schema,
                index_params=self._exact(field),
                consistency_level="Strong",
                properties=properties,
                timeout=_SECONDS,
            )

    def _exact(self, field: str) -> Any:
        """Returns the parameters of an index that scans all vectors, by cosines."""
        params = self._client.prepare_index_params()
        params.add_index(field, index_type="FLAT", metric_type="COSINE")
        return params

    def describe(self, collection: str) -> Row:
        """Returns fields and properties of a collection."""
        with self.explained():
            return dict(self._client.describe_collection(collection, timeout=_SECONDS))

    def load(self, collection: str, field: str) -> None:
        """Brings a collection into the memory of the server, if it is not there.

        A server or a writer that was killed between making a collection, or dropping its index, and
        making the next index has left it without one, and it cannot be loaded. It then gets
        an exact one; the next writer chooses another where that is due.
        """
        with self.explained():
            try:
                self._client.load_collection(collection, timeout=None)
            except self._pymilvus.MilvusException:
                if self._client.list_indexes(collection, field_name=field):
                    raise
                self._client.create_index(collection, self._exact(field), timeout=None)
                self._client.load_collection(collection, timeout=None)

    def set_properties(self, collection: str, properties: Row) -> None:
        """Changes properties of a collection; others stay."""
        with self.explained():
            self._client.alter_collection_properties(collection, properties, timeout=_SECONDS)

    def drop(self, collection: str) -> None:
        """Deletes a collection with all that is in it."""
        with self.explained():
            self._client.drop_collection(collection, timeout=_SECONDS)

    def index(self, collection: str, field: str) -> Row:
        """Returns what the server says of the index of a field."""
        with self.explained():
            return dict(self._client.describe_index(collection, field, timeout=_SECONDS) or {})

    def change_index(self, collection: str, field: str, kind: str, params: Row) -> None:
        """Replaces the index of a field; the collection cannot be searched meanwhile."""
        with self.explained():
            self._client.flush(collection, timeout=None)
            self._client.release_collection(collection, timeout=_SECONDS)
            self._client.drop_index(collection, field, timeout=_SECONDS)
            index = self._client.prepare_index_params()
            index.add_index(field, index_type=kind, metric_type="COSINE", params=params)
            self._client.create_index(collection, index, timeout=None)
            self._client.load_collection(collection, timeout=None)

    def flush(self, collection: str) -> None:
        """Seals what was written last, without which milvus-lite reads slowly."""
        with self.explained():
            self._client.flush(collection, timeout=None)

    # -- rows

    def query(
        self, collection: str, expression: str, fields: Sequence[str], *, level: str = ""
    ) -> list[Row]:
        """Returns up to `PAGE` rows; `level` replaces the consistency of the address."""
        return self._selected(collection, expression, fields, level, limit=PAGE)

    def _loaded(self, ask: Callable[..., Any], collection: str, **rest: Any) -> Any:
        """Asks a collection; where the server has just started, waits until it is loaded."""
        try:
            return ask(collection, **rest)
        except self._pymilvus.MilvusException as error:
            if "loaded" not in str(error):
                raise
            self._client.load_collection(collection, timeout=_SECONDS)
            return ask(collection, **rest)

    def count(self, collection: str, expression: str, *, level: str = "") -> int:
        """Returns the number of rows that meet an expression; `level` as of `query`."""
        (found,) = self._selected(collection, expression, ["count(*)"], level)
        return int(found["count(*)"])

    def _selected(
        self, collection: str, expression: str, fields: Sequence[str], level: str, **more: int
    ) -> list[Row]:
        """Returns what the server answers to an expression."""
        reads = {"consistency_level": level} if level else self.reads
        with self.explained():
            found = self._loaded(
                self._client.query,
                collection,
                filter=expression,
                output_fields=list(fields),
                timeout=_SECONDS,
                **more,
                **reads,
            )
        return [dict(row) for row in found]

    def upsert(
        self, collection: str, rows: Sequence[Row], bytes_each: int, seconds: float = _SECONDS
    ) -> None:
        """Writes rows over those of the same ids; when it returns, the server has them."""
        step = max(1, min(1000, _MESSAGE // max(bytes_each, 1)))
        for start in range(0, len(rows), step):
            with self.explained():
                self._client.upsert(collection, list(rows[start : start + step]), timeout=seconds)

    def delete(self, collection: str, numbers: Sequence[int]) -> None:
        """Deletes the rows with these ids; those of no row are ignored."""
        for start in range(0, len(numbers), PAGE // 2):
            part = numbers[start : start + PAGE // 2]
            with self.explained():
                self._client.delete(collection, ids=list(part), timeout=_SECONDS)

    def search(
        self,
        collection: str,
        vectors: Any,
        k: int,
        expression: str,
        params: Mapping[str, int],
    ) -> list[list[Row]]:
        """Returns id and cosine of the k nearest rows of each vector, shape (Q, D)."""
        with self.explained():
            found = self._loaded(
                self._client.search,
                collection,
                data=vectors,
                limit=k,
                filter=expression,
                search_params={"metric_type": "COSINE", "params": dict(params)},
                output_fields=["id"],
                timeout=_SECONDS,
                **self.reads,
            )
        return [[{"id": hit["id"], "distance": hit["distance"]} for hit in hits] for hits in found]

    def close(self) -> None:
        """Closes the connection."""
        self._closed.set()
        self._client.close()
