"""`Overview`: what is made of the whole collection, for the tabs that show it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.app.overview import kept
from clr_search.app.overview.chart import Chart, chart_of
from clr_search.app.overview.grouped import Groupings
from clr_search.app.overview.work import Tell, Work

if TYPE_CHECKING:
    from clr_search.app.library.library import Library
    from clr_search.index import Index


class Overview:
    """The map and the groups of a collection; safe to use from several threads.

    Parameters
    ----------
    library : Library
        The collection.
    cache : path, optional
        The folder in which the map is kept between runs; by default it is not kept.

    Attributes
    ----------
    library : Library
        The collection.
    chart : Work of Chart
        The map.
    groupings : Groupings
        The groups.
    """

    def __init__(self, library: Library, cache: Path | None = None) -> None:
        self.library = library
        path = cache and kept.file_of(cache, library.index.path)

        def make(index: Index, tell: Tell) -> Chart:
            return chart_of(index, path, tell)

        self.chart: Work[Chart] = Work(library, make)
        self.groupings = Groupings(library)
