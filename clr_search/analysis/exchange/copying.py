"""Copying a collection from a folder to a server, back, or from either to its like."""

from __future__ import annotations

from pathlib import Path

from clr_search.errors import UsageError
from clr_search.index import Index, UpdateReport, encoder_file
from clr_search.progress import Reporter, Silent


def copy_collection(
    source: Path | str, target: Path | str, *, reporter: Reporter | None = None
) -> UpdateReport:
    """Copy a collection with all that it keeps; nothing is embedded, and no picture is read.

    Vectors are the same bit for bit, and the encoder is the same file. A copy that was cut short
    goes on when it is made again.

    Parameters
    ----------
    source, target : path or address
        The collection, and where it is copied to: folders such as ``photos.clr``, or addresses such
        as ``milvus://localhost/photos``. The target is new, or an unfinished copy.
    reporter : Reporter, optional
        The reporter that shows the progress; none if not given.

    Returns
    -------
    UpdateReport
        The numbers of items that were `added`, `changed` or `unchanged`.

    Raises
    ------
    UsageError
        If both are the same, or the target has another encoder or other pictures, or keeps labels
        or columns that would be overwritten.
    ClrSearchError
        If the encoder is not on this machine, or a stored vector is damaged.

    Examples
    --------
    ::

        copy_collection("photos.clr", "milvus://localhost/photos")
    """
    reporter = reporter or Silent()
    with Index.open(source, reporter=reporter) as index:
        info = index.info()
        if str(index.path) == str(target) or index.folder == Path(target).resolve():
            raise UsageError(f"{target} is the source itself.", "Give another target.")
        encoder, dimension = None, info.dimension
        if info.encoder_sha256:
            index.encoder  # noqa: B018  # raises its error where the file is not there
            encoder = index.folder / encoder_file.FILE_NAME
        opened = Index.create(
            target, encoder, dimension=None if encoder else dimension, reporter=reporter
        )
        with opened as other:
            report = other.copy_from(index, reporter=reporter)
            other.settle(reporter=reporter)
    return report
