"""What a person says about the pictures of a collection: their labels, and which are no copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog import dismissals
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.lock import Held
from clr_search.index.search.reader import Reader
from clr_search.progress import Reporter


class Remarks(Reader):
    """A collection that may be open for writing, and what a person says about its pictures.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection.
    lock : Held or None
        The lock, which is held; None for a collection that is open for reading only, of which
        every change is refused.
    reporter : Reporter
        The reporter that shows messages about damaged files.
    device : str
        The device to embed on, as `serve.Encoder` takes it, such as ``"cpu"``.
    """

    def __init__(
        self, catalog: Catalog, lock: Held | None, reporter: Reporter, device: str
    ) -> None:
        super().__init__(catalog, reporter, device)
        self._lock = lock

    def dismiss(
        self, numbers: Sequence[int], against: Sequence[int] = (), *, undo: bool = False
    ) -> int:
        """Remember that pictures are no copies of each other, or are all to be kept.

        It is remembered by their content, wherever the files move to.

        Parameters
        ----------
        numbers : sequence of int
            Ids of the pictures.
        against : sequence of int
            Ids of pictures that each of them is no copy of; if not given, they are no copies of
            each other.
        undo : bool
            Whether to forget it instead.

        Returns
        -------
        int
            The number of pairs of contents.

        Raises
        ------
        UsageError
            If there is only one picture, or the collection is open for reading only.
        ClrSearchError
            If an item is not in the collection.

        Examples
        --------
        ::

            index.dismiss([12, 15])  # no copies of each other
            index.dismiss([12], against=[15, 31])  # 15 and 31 may be copies of each other
        """
        self._require_writable()
        first = [item.sha256 for item in self.items(list(numbers))]
        second = [item.sha256 for item in self.items(list(against))]
        pairs = {
            dismissals.pair_of(one, other)
            for one, other in (product(first, second) if against else combinations(first, 2))
        }
        if not pairs:
            raise UsageError("A picture is no copy of itself.", "Give two pictures or more.")
        change = dismissals.undo if undo else dismissals.dismiss
        with self._catalog.writing():
            change(self._catalog.database, pairs)
        return len(pairs)

    def label(self, labels: Mapping[int, str] | None) -> None:
        """Give pictures labels of their own, instead of the names of their folders.

        A label stays where its file moves or changes; pictures that come in later have none.

        Parameters
        ----------
        labels : mapping of int to str, or None
            Label of each picture by its id; others have none. None for the names of the folders.

        Raises
        ------
        UsageError
            If a label is no text, or empty.
        ClrSearchError
            If an id is not, or no longer, in the collection; nothing is changed then.

        Examples
        --------
        ``index.label({item.id: "rose" for item in index.items(index.ids(under="roses"))})``
        """
        self._require_writable()
        with self._catalog.writing():
            if labels is None:
                self._catalog.label_by_folder()
                return
            self._require_labels(labels)
            self._catalog.give_labels({number: str(name) for number, name in labels.items()})

    def relabel(self, labels: Mapping[int, str | None]) -> dict[int, str | None]:
        """Give some pictures other labels, while all others keep theirs.

        From then on the labels are given: those that were names of folders stay as they are, also
        where a file moves, and pictures that come in later have none. `label` with None goes back.

        Parameters
        ----------
        labels : mapping of int to str or None
            New label of each picture by its id; None takes its label away.

        Returns
        -------
        dict of int to str or None
            The labels that these pictures had before.

        Raises
        ------
        UsageError
            If a label is no text, or empty.
        ClrSearchError
            If an id is not, or no longer, in the collection; nothing is changed then.

        Examples
        --------
        ::

            before = index.relabel({12: "rose", 15: None})
            index.relabel(before)  # undoes it
        """
        self._require_writable()
        with self._catalog.writing():
            before = self._require_labels(labels)
            self._catalog.give_labels(labels, others=True)
        return before

    def _require_labels(self, labels: Mapping[int, str | None]) -> dict[int, str | None]:
        """Returns the labels that items have; refuses new ones that are none, or of no item."""
        for name in labels.values():
            if name is not None and (not isinstance(name, str) or not name):
                raise UsageError(f"The label {name!r} is no text.", "Give text, or no label.")
        there = self._catalog.items(list(labels))
        for number in labels:
            if number not in there:
                raise ClrSearchError(f"{self._catalog.folder} has no item with the id {number}.")
        return {number: there[number].label for number in labels}

    def _require_writable(self) -> None:
        """Refuses a change of a collection that is open for reading only."""
        if self._lock is None:
            raise UsageError(
                f"{self._catalog.folder} is open for reading only.",
                "Open it with Index.open(path, writable=True).",
            )
