"""What a page of a collection is made of: each part is made once, and shared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.app.library.copies import CopySearch
from clr_search.app.library.library import Library
from clr_search.app.library.permissions import Permissions
from clr_search.app.library.run import RunFolder
from clr_search.app.library.tiles import Tiles
from clr_search.app.library.uploads import Uploads
from clr_search.app.overview.overview import Overview
from clr_search.app.teaching.finishing import Finishing
from clr_search.app.teaching.teacher import Teacher
from clr_search.files.cache import cache_folder
from clr_search.index import Index
from clr_search.serve import Probe
from clr_search.web.tile_store import TileStore

if TYPE_CHECKING:
    from clr_search.images.isolation import DecodingLimits


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a page.

    Attributes
    ----------
    name : str
        Name of the collection.
    permissions : Permissions
        What visitors may see and do.
    library : Library
        The collection.
    store : TileStore
        Thumbnails that are kept between runs.
    tiles : Tiles
        Thumbnails and large pictures.
    overview : Overview
        What is made of the whole collection: its map and its groups.
    teacher : Teacher
        The labels, and what is learnt from them.
    finishing : Finishing
        The classifiers that are saved.
    copies : CopySearch
        The search for copies.
    probe : Probe or None
        The classifier that the app was started with.
    run : RunFolder or None
        The training that is shown, too.
    """

    name: str
    permissions: Permissions
    library: Library
    store: TileStore
    tiles: Tiles
    overview: Overview
    teacher: Teacher
    finishing: Finishing
    copies: CopySearch
    probe: Probe | None
    run: RunFolder | None

    @classmethod
    def of(
        cls,
        collection: Path,
        permissions: Permissions,
        cache: Path,
        *,
        probe: Path | str | None = None,
        run: Path | str | None = None,
        decoding: DecodingLimits | None = None,
    ) -> Parts:
        """Open a collection, and make the parts of its page.

        Parameters
        ----------
        collection : Path
            The collection.
        permissions : Permissions
            What visitors may see and do.
        cache : Path
            A private folder for uploads, and for what is made for visitors.
        probe : path, optional
            A `probe.onnx`.
        run : path, optional
            The folder of a training.
        decoding : DecodingLimits, optional
            The most that decoding one picture may take.

        Raises
        ------
        UsageError
            If the collection or the classifier cannot be opened.
        """
        index = Index.open(collection)
        index.require_encoder()  # here, and not when a visitor's picture has to be embedded
        known = Probe(probe) if probe else None
        library = Library(index, Uploads(cache), decoding=decoding)
        store = TileStore(cache_folder())
        teacher = Teacher(library, cache)
        return cls(
            name=collection.resolve().name.removesuffix(".clr"),
            permissions=permissions,
            library=library,
            store=store,
            tiles=Tiles(library, store),
            overview=Overview(library, cache_folder()),
            teacher=teacher,
            finishing=Finishing(teacher),
            copies=CopySearch(library),
            probe=known,
            run=RunFolder(run, library.workers) if run else None,
        )

    def close(self) -> None:
        """End the work behind the page; the index stays open."""
        self.copies.stop()
        self.copies.wait(5)
        self.library.close()
        self.store.close()
