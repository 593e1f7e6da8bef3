"""`Index`: a collection on disk, and everything that can be done with it.

Layout of ``collection.clr/``::

    catalog.sqlite      the source of truth: items with their embeddings, skipped files, meta
    encoder.onnx        the encoder that made the embeddings, so that nothing else is needed; not
                        there where they were made elsewhere, until an encoder is attached
    ann/<n>.faiss       derived; only where the collection is too large for an exact scan
    ann/<n>.vectors     derived; the vectors of the FAISS file, to be mapped into memory
    lock                held by the one writer
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from clr_search.index import opening
from clr_search.index.search.reader import Reader
from clr_search.index.sync.annotations.annotating import Annotator
from clr_search.index.sync.report import UpdateReport
from clr_search.progress import Reporter, Silent
from clr_search.serve.devices import AUTO


class Index(Annotator):
    """A collection of pictures that can be searched by likeness; a context manager.

    `Index.create` and `Index.open` make it. Every call sees the newest snapshot of the collection,
    and one snapshot only, whoever writes. Several threads may use it, one call at a time.

    Examples
    --------
    ::

        with Index.create("flowers.clr") as index:
            index.update(["photos"])
        with Index.open("flowers.clr") as index:
            print(index.info().count)
    """

    @classmethod
    def create(
        cls,
        path: Path | str,
        encoder: Path | str | None = None,
        *,
        dimension: int | None = None,
        share_encoder: bool = False,
        device: str = AUTO,
        reporter: Reporter | None = None,
    ) -> Index:
        """Makes a collection for an encoder or for vectors, or opens that at `path`, for writing.

        Parameters
        ----------
        path : path
            The collection, such as ``flowers.clr``, or ``milvus://host:19530/flowers``.
        encoder : path, optional
            An `encoder.onnx`, which is copied into the collection. Without it, a new collection
            gets the encoder that comes with the package, and an existing one keeps its own. One
            without an encoder gets this one, and can then be searched by pictures, too.
        dimension : int, optional
            D, the length of vectors that are made elsewhere: without `encoder`, a new collection
            gets none. `add_vectors` fills it, and it is searched by items and by vectors.
        share_encoder : bool
            Whether the collection shares the file of its encoder, by a hard link, in place of a
            copy: many collections of a large encoder then take its bytes once. Both have to be on
            one disk, and the file must not be written to in place, which a search would refuse.
        device : str
            The device that embeds pictures; see `serve.Encoder`.
        reporter : Reporter, optional
            Where messages on repairs go; by default to `logging`.

        Raises
        ------
        UsageError
            If the collection belongs to another encoder or is being written to, if `path` is
            something else than a collection, the file is no encoder, or the dimension is not that
            of the encoder or of the collection.
        ClrSearchError
            If the folder cannot be made or written to, or the catalogue is damaged.

        Examples
        --------
        ::

            with Index.create("texts.clr", dimension=384) as index:
                index.add_vectors(vectors, paths)
        """
        reporter = reporter or opening.Logged()
        given = None if encoder is None else Path(encoder)
        opened = opening.create(Path(path), given, dimension, reporter, share_encoder=share_encoder)
        return cls(*opened, reporter, device)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        writable: bool = False,
        mend: bool = True,
        device: str = AUTO,
        reporter: Reporter | None = None,
    ) -> Index:
        """Opens a collection.

        Parameters
        ----------
        path : path
            The collection, such as ``flowers.clr``, or ``milvus://host:19530/flowers``.
        writable : bool
            Whether to open it for changes too; only one process can at a time.
        mend : bool
            Whether a writer first repairs what a killed one has left, for which it reads the whole
            search structure. Changes of labels and of what is no copy do not need it.
        device : str
            The device that embeds pictures; see `serve.Encoder`.
        reporter : Reporter, optional
            Where messages on repairs go; by default to `logging`.

        Raises
        ------
        UsageError
            If there is no collection at `path`, its version is unknown, or, with `writable`,
            another process writes to it.
        ClrSearchError
            If the catalogue is damaged.
        """
        reporter = reporter or opening.Logged()
        opened = opening.open_collection(Path(path), reporter, writable=writable, mend=mend)
        return cls(*opened, reporter, device)

    def again(self) -> Index:
        """Opens the same collection once more, for reading beside this index.

        The two do not wait for each other. The parameters and errors are those of `open`.
        """
        return self.open(self.path, device=self._device, reporter=self._reporter)

    def copy_from(self, source: Reader, *, reporter: Reporter | None = None) -> UpdateReport:
        """Copy everything that another collection keeps into this one.

        This one is new, or an unfinished copy. Vectors are copied bit for bit, with labels,
        columns, folders, what was skipped or read with a loss, and what was dismissed as copies.
        Items get ids of this collection. A copy that was killed goes on when it is made again.
        `settle` is due afterwards.

        Parameters
        ----------
        source : Reader
            The other collection, by the same encoder.
        reporter : Reporter, optional
            The reporter that shows the progress; none if not given.

        Returns
        -------
        UpdateReport
            The numbers of items that were `added`, `changed` or `unchanged`.

        Raises
        ------
        UsageError
            If this collection has another encoder, or items that the other one has not; or if it
            is no unfinished copy, and something that it keeps would be overwritten.
        ClrSearchError
            If a stored vector of the other one is damaged.
        """
        from clr_search.index.catalog.remote import transfer

        self._require_writable()
        added, changed, unchanged = transfer.copy(
            source._catalog, self._catalog, reporter or Silent()
        )
        return UpdateReport(added=added, changed=changed, unchanged=unchanged)

    def close(self) -> None:
        """Closes the files and releases the lock; no data is lost if this is never called."""
        self._catalog.database.close()
        if self._lock is not None:
            self._lock.release()
        if self._catalog.remote is not None:
            self._catalog.remote.close()
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
