"""`Settings`: what a collection keeps of how it is searched, of what it takes, and from where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from clr_search.files.finding.selection import Selection, excluding
from clr_search.index import maintenance
from clr_search.index.ann.goal import Serve
from clr_search.index.catalog.paths import canonical
from clr_search.index.sync.annotations.remarks import Remarks


class Settings(Remarks):
    """The part of `Index` that sets what the collection keeps; parameters as of `Writer`."""

    def aim(
        self,
        *,
        recall: float | None = None,
        memory: float | None = None,
        graph: bool | None = None,
        serve: Serve | Literal["auto"] | None = None,
    ) -> None:
        """Set the goals of the search structure, which the next change of the collection builds.

        The goals are stored in the collection; those that are not given stay as they were. If a
        collection outgrows its memory, its structure stays as it was and every change reports it.

        Parameters
        ----------
        recall : float, optional
            Least recall@10, in (0, 1); a new collection has 0.97.
        memory : float, optional
            Most bytes of memory for the structure; a new collection has `math.inf`, no limit.
        graph : bool, optional
            Whether a large collection is searched through a graph (HNSW), which takes longer to
            build and answers sooner among a million items; a new collection has False.
        serve : str, optional
            What the structure of a large collection is to be quick at: one query at a time
            (``"single"``), many at once (``"batch"``), or both (``"balanced"``). All kinds are then
            measured, graphs over quantised codes among them where `rabitqlib` is installed, and the
            quickest within `memory` is taken. A new collection has ``"auto"``: inverted files of
            little memory.

        Raises
        ------
        UsageError
            If a value is out of range, or no structure for the present items fits into the memory.
        """
        self._require_writable()
        maintenance.revise_goal(self._catalog, recall, memory, graph, serve)

    def select(
        self,
        *,
        exclude: Sequence[str] | None = None,
        follow_links: bool | None = None,
        any_name: bool | None = None,
    ) -> None:
        """Set which files and folders the updates of this collection take.

        It is stored in the collection; what is not given stays as it was. Pictures that are
        excluded leave with the next `update` of their folder.

        Parameters
        ----------
        exclude : sequence of str, optional
            Patterns of names, or with a slash of ends of paths, that are left out beside the
            defaults (`files.finding.selection.EXCLUDED`); ``"none"`` among them drops the defaults.
        follow_links : bool, optional
            Whether symbolic links are followed that lead out of a folder.
        any_name : bool, optional
            Whether pictures are taken by their content, whatever their names end in.

        Examples
        --------
        ``index.select(exclude=["previews", "*_small.jpg"])``
        """
        self._require_writable()
        if exclude is None and follow_links is None and any_name is None:
            return
        with self._catalog.writing():
            kept = self._catalog.selection()
            selection = Selection(
                kept.exclude if exclude is None else excluding(tuple(exclude)),
                kept.follow_links if follow_links is None else follow_links,
                kept.any_name if any_name is None else any_name,
            )
            self._catalog.set_selection(selection)

    def relocate(self, old: Path | str, new: Path | str) -> int:
        """Tell the collection that a folder has moved; nothing is embedded or read again.

        Parameters
        ----------
        old, new : path
            The folder as the collection knows it, and where it is now.

        Returns
        -------
        int
            The number of pictures that have moved; they keep their ids.

        Raises
        ------
        UsageError
            If the collection has nothing of `old`, pictures of `old` are still there, or none of
            them is below `new`.

        Examples
        --------
        ``index.relocate("/media/card", "/photos/2024")``
        """
        from clr_search.index.sync import roots

        self._require_writable()
        return roots.relocate(self._catalog, roots.known_as(old), canonical(new))
