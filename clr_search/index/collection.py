"""`Index`: a collection on disk, and everything that can be done with it.

Layout of ``collection.clr/``::

    catalog.sqlite      the truth: items with their embeddings, skipped files, meta
    encoder.onnx        the encoder the embeddings are of, so that a collection needs nothing else
    ann/<n>.faiss       derived; only where the collection is too large for an exact scan
    ann/<n>.vectors     derived; the vectors it was made of, to be mapped
    lock                held by the one writer
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from clr_search.index import opening
from clr_search.index.sync.writer import Writer
from clr_search.progress import Reporter
from clr_search.serve.devices import AUTO


class Index(Writer):
    """A collection of pictures that can be searched by likeness; a context manager.

    Made by `Index.create` or `Index.open`. Every method sees one snapshot of the collection, and
    each call the newest one, whoever writes. Safe to use from several threads, one call at a time.
    """

    @classmethod
    def create(
        cls,
        path: Path | str,
        encoder: Path | str | None = None,
        *,
        device: str = AUTO,
        reporter: Reporter | None = None,
    ) -> Index:
        """Make a collection for an encoder, or open the one that is there, for writing.

        Parameters
        ----------
        path : path
            The collection, such as ``flowers.clr``.
        encoder : path, optional
            An `encoder.onnx`; it is copied into the collection. Where not given, a new collection
            gets the encoder that comes with the package, and one that is there keeps its own.
        device : str
            On what pictures are embedded; see `serve.Encoder`.
        reporter : Reporter, optional
            Where messages on repairs go; by default to `logging`.

        Raises
        ------
        UsageError
            If the collection belongs to another encoder or is being written to, if something else
            is at `path`, or the encoder is none.
        """
        reporter = reporter or opening.Logged()
        given = None if encoder is None else Path(encoder)
        return cls(*opening.create(Path(path), given, reporter), reporter, device)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        writable: bool = False,
        device: str = AUTO,
        reporter: Reporter | None = None,
    ) -> Index:
        """Open a collection.

        Parameters
        ----------
        path : path
            The collection.
        writable : bool
            Open it for changes too; only one process can at a time.
        device : str
            On what pictures are embedded; see `serve.Encoder`.
        reporter : Reporter, optional
            Where messages on repairs go; by default to `logging`.

        Raises
        ------
        UsageError
            If there is no collection at `path`, it is of an unknown version, or, with `writable`,
            somebody else writes to it.
        ClrSearchError
            If its catalogue is damaged.
        """
        reporter = reporter or opening.Logged()
        opened = opening.open_collection(Path(path), reporter, writable=writable)
        return cls(*opened, reporter, device)

    def close(self) -> None:
        """Let go of the files; nothing is lost if this is never called."""
        self._catalog.database.close()
        if self._lock is not None:
            self._lock.release()
        self._snapshot = self._encoder = None

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
