"""FAISS files of a collection: ``ann/<generation>.faiss``, derived from SQLite and never trusted.

FAISS writes in place and without a checksum: killed while saving, it leaves a file that cannot be
read, and a flipped bit often loads without a word. So a generation is published in four steps:

1. its vectors, and then the serialised index made from them, are written to temporary files and
   fsynced;
2. each is renamed to its number, one above the last, and its folder fsynced;
3. one SQLite transaction names it, with its SHA-256s and the revision it stands for;
4. all other files in ``ann/`` are deleted.

Killed before step 3, the catalogue names the generation before, which is still there; after it, the
new one. Whatever lies around from a killed attempt is deleted by the next step 4. A file is read
once, its bytes are checked against SQLite, and only they reach FAISS.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clr_search.errors import ClrSearchError
from clr_search.files.write import sha256_bytes, write_atomically
from clr_search.index.ann import mapped_vectors, structures
from clr_search.index.ann.base import Ann
from clr_search.index.ann.goal import Goal, that_fit
from clr_search.index.ann.structures import GRAPH, Structure
from clr_search.index.ann.tuning import Tried, build, held_back, select
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog

FOLDER = "ann"

_FORM = 3


@dataclass(frozen=True, slots=True)
class Generation:
    """A published FAISS file.

    Attributes
    ----------
    number : int
        Its name.
    sha256 : str
        SHA-256 of the FAISS file.
    revision : int
        It holds the items embedded up to this revision of the collection.
    count : int
        How many they were.
    structure : str
        Such as ``"IVF512,SQ8"``.
    probes : int
        Cells a query visits; of a graph, efSearch.
    recall : float
        Measured recall@10.
    width : float
        How many times the usual candidates a query asks for.
    recall_at_1 : float or None
        Measured share of nearest neighbours that are found.
    bytes : int
        Size of the FAISS file.
    goal_recall, goal_memory, goal_graph
        The goal it was built for; see `Goal`.
    chosen_at : int
        How many vectors there were when this kind of structure was chosen.
    tried : tuple of dict
        Fields of `tuning.Tried`, of each structure that was tried on a sample.
    rows_sha256 : str
        Of the file with its vectors, see `stored`; empty where a former release made none.
    form : int
        3, if FAISS numbers the vectors by their place in that file, which has their scale; less, of
        former releases, is of no use.
    """

    number: int
    sha256: str
    revision: int
    count: int
    structure: str
    probes: int
    recall: float
    width: float = 1
    recall_at_1: float | None = None
    bytes: int = 0
    goal_recall: float = 0.95  # of releases that did not say
    goal_memory: int | None = None
    tried: Sequence[dict[str, Any]] = ()
    rows_sha256: str = ""
    form: int = 1
    goal_graph: bool = False
    chosen_at: int = 0

    @property
    def goal(self) -> Goal:
        """What it was built for."""
        return Goal(self.goal_recall, self.goal_memory, self.goal_graph)

    @property
    def chosen_over(self) -> int:
        """The count that the kind was chosen for; older releases do not say, and give `count`."""
        return self.chosen_at or self.count

    @property
    def described(self) -> str:
        """Its structure and effort, for a person."""
        unit = "efSearch {}" if self.structure.startswith(GRAPH) else "{} probes"
        return f"{self.structure}, {unit.format(self.probes)}"


class DamagedError(ClrSearchError):
    """The file of a generation is missing, truncated or altered."""

    def __init__(self, generation: Generation, reason: str) -> None:
        super().__init__(f"The FAISS file of generation {generation.number} {reason}.")
        self.generation = generation


def named(catalog: Catalog) -> Generation | None:
    """The generation the catalogue names, None where search is exact; inside `reading`."""
    value = catalog.facts().generation
    if value is None:
        return None
    try:
        return Generation(**json.loads(value))
    except (TypeError, ValueError) as error:
        raise ClrSearchError(
            f"{catalog.folder} has an unreadable entry on its FAISS file ({error}).",
            "Build the collection anew: clr-search build-index",
        ) from error


def path_of(folder: Path, generation: Generation) -> Path:
    """Its file."""
    return folder / FOLDER / f"{generation.number:d}.faiss"


def rows_of(folder: Path, generation: Generation) -> Path:
    """The file with its vectors."""
    return path_of(folder, generation).with_suffix(".vectors")


def publish(catalog: Catalog, goal: Goal | None = None, *, seed: int = 0) -> Generation | None:
    """Build the next generation from all items, and make it the one in use.

    None where an exact search serves as well; then none is in use.

    Raises
    ------
    UsageError
        If nothing fits the memory of the goal.
    ClrSearchError
        If it cannot be written; then the one before stays in use.
    """
    goal = goal or Goal()
    with catalog.reading():
        facts, count, last = catalog.facts(), catalog.count(), named(catalog)
        dimension, number = facts.dimension, facts.last_generation + 1
        if that_fit(count, dimension, goal) == [Structure(0)]:
            rows = None
        else:
            rows = catalog.folder / FOLDER / f"{number:d}.vectors"
            with _explained(rows):
                late = held_back(count) if goal.graph else None
                chunks = embeddings.chunks(catalog, dimension)
                sha256 = mapped_vectors.write(rows, chunks, count, dimension, late)
    if rows is None:
        retire(catalog)
        return None
    vectors = mapped_vectors.load(rows, count, dimension, sha256)
    again = _still_good(last, count, dimension, goal)
    structure, tried = again or select(vectors, goal, seed=seed)
    built = build(vectors, structure, goal, seed=seed)
    data = built.data.tobytes()
    generation = Generation(
        number,
        sha256_bytes(data),
        facts.revision,
        count,
        str(structure),
        built.probes,
        built.recall,
        built.width,
        built.recall_at_1,
        len(data),
        goal.recall,
        goal.memory,
        [asdict(one) for one in tried],
        sha256,
        form=_FORM,
        goal_graph=goal.graph,
        chosen_at=last.chosen_over if again and last else count,
    )
    path = path_of(catalog.folder, generation)
    with _explained(path):
        write_atomically(path, data)
    _name(catalog, generation)
    clean(catalog.folder, generation)
    return generation


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ClrSearchError(
            f"The search structure {path} could not be written: {error.strerror}.",
            "The pictures are indexed, and are found without it, only more slowly. Check the free "
            "space and permissions of the disk, and run clr-search build-index again.",
        ) from error


def _still_good(
    last: Generation | None, count: int, dimension: int, goal: Goal
) -> tuple[Structure, list[Tried]] | None:
    """The kind of structure that is in use, unless the collection or the goal has changed much."""
    if last is None or last.goal != goal or not last.tried:
        return None
    kind, then = last.structure.partition(",")[2], last.chosen_over
    for structure in goal.structures(count, dimension):
        if structure.cells and structure.kind == kind and count <= 2 * then <= 4 * count:
            return structure, [Tried(**one) for one in last.tried]
    return None


def retire(catalog: Catalog) -> None:
    """Go back to exact search: the collection has become small, or its vectors are all new."""
    _name(catalog, None)
    clean(catalog.folder, None)


def _name(catalog: Catalog, generation: Generation | None) -> None:
    with catalog.writing():
        catalog.set_generation(None if generation is None else json.dumps(asdict(generation)))
        if generation is not None:
            catalog.set_last_generation(generation.number)


def clean(folder: Path, keep: Generation | None) -> None:
    """Delete all files but those of the generation in use."""
    kept = set() if keep is None else {path_of(folder, keep), rows_of(folder, keep)}
    for path in (folder / FOLDER).glob("*"):
        if path not in kept:
            with contextlib.suppress(OSError):  # Windows: a reader has it open; the next time then
                path.unlink()


def verified(folder: Path, generation: Generation) -> bytes:
    """Content of its file.

    Raises
    ------
    DamagedError
        If it is missing, or not the file that was published.
    """
    try:
        data = path_of(folder, generation).read_bytes()
    except FileNotFoundError:
        raise DamagedError(generation, "is missing") from None
    except OSError as error:
        raise DamagedError(generation, f"cannot be read ({error.strerror})") from error
    if sha256_bytes(data) != generation.sha256:
        raise DamagedError(generation, "is truncated or altered")
    return data


def check(folder: Path, generation: Generation, dimension: int) -> None:
    """See whether its files are those that were published.

    Raises
    ------
    DamagedError
        If they are not.
    """
    verified(folder, generation)
    _rows(folder, generation, dimension)


def load(folder: Path, generation: Generation, dimension: int) -> Ann:
    """The generation, ready to search.

    Raises
    ------
    DamagedError
        As `check`, and where FAISS refuses it.
    """
    vectors = _rows(folder, generation, dimension)
    try:
        return structures.load(
            verified(folder, generation), vectors, generation.probes, generation.width
        )
    except DamagedError:
        raise
    except ClrSearchError as error:
        raise DamagedError(generation, f"is of no use: {error.what}") from error


def _rows(folder: Path, generation: Generation, dimension: int) -> mapped_vectors.MappedVectors:
    if generation.form != _FORM:
        raise DamagedError(generation, "is of a former release")
    path = rows_of(folder, generation)
    try:
        return mapped_vectors.load(path, generation.count, dimension, generation.rows_sha256)
    except FileNotFoundError:
        raise DamagedError(generation, "has lost its vectors") from None
    except OSError as error:
        raise DamagedError(generation, f"has vectors that cannot be read ({error})") from error
    except ValueError:
        raise DamagedError(generation, "has vectors that are truncated or altered") from None
