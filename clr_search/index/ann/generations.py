"""FAISS files of a collection: ``ann/<generation>.faiss``, derived from SQLite and never trusted.

FAISS writes in place and without a checksum: killed while saving, it leaves a file that cannot be
read, and a flipped bit often loads without a word. So a generation is published in four steps:

1. the vectors, and then the serialised index made from them, are written to temporary files and
   fsynced;
2. each file is renamed to its number, one above the last, and the folder fsynced;
3. one SQLite transaction names them, with their digests and the revision they stand for;
4. all other files in ``ann/`` are deleted.

If the process is killed before step 3, the catalogue names the generation before, which still
exists; after step 3, the new one. Files that a killed attempt has left are deleted by the next step
4. A file is read once, its bytes are checked against SQLite, and only those bytes reach FAISS.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clr_search.cores import processor
from clr_search.errors import ClrSearchError
from clr_search.files.disk import DiskError, told
from clr_search.files.own import OwnFile, OwnFolder, temporary_of
from clr_search.files.strict_json import checked_fields, parse_object
from clr_search.index.ann import digest, mapped_vectors, quantised, structures
from clr_search.index.ann.base import Ann
from clr_search.index.ann.choosing.tuning import Tried, build, held_back, select
from clr_search.index.ann.goal import Goal, Serve, that_fit
from clr_search.index.ann.structures import GRAPHS, QUANTISED, Structure, kind_of
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog

_NAME = r"\d+\.(?:faiss|vectors)"

FOLDER = "ann"
"""Name of the folder of the FAISS files inside a collection."""

OURS = re.compile(rf"{_NAME}|{temporary_of(_NAME).pattern}")
"""Names of the files in that folder, while they are written too."""

_FORM = 4  # `Generation.form` that this release writes
_IN_ORDER = 3  # the form of files that were hashed in one go, which this release reads, too


@dataclass(frozen=True, slots=True)
class Generation:
    """A published FAISS file.

    Attributes
    ----------
    number : int
        Number of the generation, which names its files.
    sha256 : str
        Digest of the FAISS file (`ann.digest`), or its SHA-256 where the form is 3.
    revision : int
        The file holds the items embedded up to this revision of the collection.
    count : int
        Number of vectors in the file.
    structure : str
        Name of the structure, such as ``"IVF512,SQ8"``.
    probes : int
        Cells a query visits, or efSearch of a graph.
    recall : float
        Measured recall@10, in [0, 1].
    width : float
        Factor on the usual number of candidates of a query.
    recall_at_1 : float or None
        Measured share of nearest neighbours that are found, in [0, 1].
    bytes : int
        Size of the FAISS file in bytes.
    goal_recall, goal_memory, goal_graph, goal_serve
        The fields of the `Goal` that it was built for.
    chosen_at : int
        Number of vectors in the collection when this kind of structure was chosen.
    tried : sequence of dict
        The fields of `tuning.Tried` for each structure that was tried on a sample.
    rows_sha256 : str
        The same of the file of `mapped_vectors`; empty where a former release made none.
    form : int
        3 where FAISS numbers the vectors by their position in that file, which has their scale; 4
        where files are hashed by blocks, too. Less marks files that cannot be used any more.
    processor : str
        The processor that the kind of structure was chosen on; empty where a former release chose.
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
    goal_recall: float = 0.95  # the goal of releases that did not store it
    goal_memory: int | None = None
    tried: Sequence[dict[str, Any]] = ()
    rows_sha256: str = ""
    form: int = 1
    goal_graph: bool = False
    chosen_at: int = 0
    goal_serve: Serve | None = None
    processor: str = ""

    @property
    def goal(self) -> Goal:
        """The goal that it was built for."""
        return Goal(self.goal_recall, self.goal_memory, self.goal_graph, self.goal_serve)

    @property
    def chosen_over(self) -> int:
        """Number of vectors that the kind was chosen for; `count` for releases that did not say."""
        return self.chosen_at or self.count

    @property
    def chosen_elsewhere(self) -> bool:
        """Whether another processor than this one is known to have chosen the structure."""
        return self.processor not in ("", processor())

    @property
    def described(self) -> str:
        """The structure and its effort for messages, such as ``"IVF512,SQ8, 12 probes"``."""
        unit = "efSearch {}" if self.structure.startswith(GRAPHS) else "{} probes"
        return f"{self.structure}, {unit.format(self.probes)}"


class DamagedError(ClrSearchError):
    """The file of a generation is missing, truncated or altered."""

    def __init__(self, generation: Generation, reason: str, remedy: str = "") -> None:
        super().__init__(f"The FAISS file of generation {generation.number} {reason}.", remedy)
        self.generation = generation


def named(catalog: Catalog) -> Generation | None:
    """Returns the generation that the catalogue names; the caller is inside `Catalog.reading`.

    None stands for exact search.

    Raises
    ------
    ClrSearchError
        If the entry cannot be read.
    """
    value = catalog.facts().generation
    if value is None:
        return None
    try:
        generation = Generation(**checked_fields(parse_object(value), Generation))
        tried = [Tried(**checked_fields(entry, Tried)) for entry in generation.tried]
        if min(generation.number, generation.revision, generation.count, len(tried)) < 0:
            raise ValueError("a count is negative")
        if not generation.count:
            raise ValueError("it is of no vectors")
        return generation
    except (TypeError, ValueError) as error:
        raise ClrSearchError(
            f"{catalog.folder} has an unreadable entry on its FAISS file ({error}).",
            "Build the collection anew: clr-search build-index",
        ) from error


def path_of(folder: OwnFolder, generation: Generation) -> OwnFile:
    """Returns the FAISS file of a generation in the collection `folder`."""
    return folder / f"{FOLDER}/{generation.number:d}.faiss"


def rows_of(folder: OwnFolder, generation: Generation) -> OwnFile:
    """Returns the file with the mapped vectors of a generation."""
    return folder / f"{FOLDER}/{generation.number:d}.vectors"


def publish(
    catalog: Catalog, goal: Goal | None = None, *, seed: int = 0, retune: bool = False
) -> Generation | None:
    """Builds the next generation from all items, and makes it the one in use.

    Parameters
    ----------
    catalog : Catalog
        The catalogue, open for writing.
    goal : Goal, optional
        Recall and memory that the structure has to reach.
    seed : int
        Seed of all random samples.
    retune : bool
        Whether the kind of structure is chosen anew, however little has changed.

    Returns
    -------
    Generation or None
        None where the collection is so small that search is exact; then no generation is in use.

    Raises
    ------
    UsageError
        If nothing fits the memory of the goal.
    ClrSearchError
        If a file cannot be written; then the generation before stays in use.
    """
    goal = goal or Goal()
    with catalog.reading():
        facts, count, last = catalog.facts(), catalog.count(), named(catalog)
        dimension, number = facts.dimension, facts.last_generation + 1
        if that_fit(count, dimension, goal) == [Structure(0)]:
            rows = None
        else:
            rows = catalog.folder / f"{FOLDER}/{number:d}.vectors"
            with _explained(rows):
                late = held_back(count) if goal.graph or goal.serve else None
                chunks = embeddings.chunks(catalog, dimension)
                rows_digest = mapped_vectors.write(rows, chunks, count, dimension, late)
    if rows is None:
        retire(catalog)
        return None
    vectors = mapped_vectors.load(rows, count, dimension, rows_digest)
    reused = None if retune else _still_good(last, count, dimension, goal)
    structure, tried = reused or select(vectors, goal, seed=seed)
    built = build(vectors, structure, goal, seed=seed)
    generation = Generation(
        number,
        digest.of_bytes(built.data),
        facts.revision,
        count,
        str(structure),
        built.probes,
        built.recall,
        built.width,
        built.recall_at_1,
        len(built.data),
        goal.recall,
        goal.memory,
        [asdict(result) for result in tried],
        rows_digest,
        form=_FORM,
        goal_graph=goal.graph,
        chosen_at=last.chosen_over if reused and last else count,
        goal_serve=goal.serve,
        processor=last.processor if reused and last else processor(),
    )
    path = path_of(catalog.folder, generation)
    with _explained(path), path.replacing() as file:
        file.write(built.data.data)
    _name(catalog, generation)
    clean(catalog.folder, generation)
    return generation


@contextlib.contextmanager
def _explained(path: OwnFile) -> Iterator[None]:
    """Turns an error of the file system into one that says what to do."""
    try:
        yield
    except DiskError as error:
        raise ClrSearchError(
            f"The search structure {path} could not be written: {error.reason}.",
            "The pictures are indexed, and are found without it, only more slowly. Check the free "
            "space and permissions of the disk, and run clr-search build-index again.",
        ) from error


def _still_good(
    last: Generation | None, count: int, dimension: int, goal: Goal
) -> tuple[Structure, list[Tried]] | None:
    """Returns the kind of structure in use, unless much has changed since it was chosen.

    Much is another goal or processor, or half or double the number of vectors; then None is
    returned.
    """
    if last is None or last.goal != goal or not last.tried or last.chosen_elsewhere:
        return None
    before = last.chosen_over
    for structure in goal.structures(count, dimension):
        if structure.kind == kind_of(last.structure) and count <= 2 * before <= 4 * count:
            return structure, [Tried(**fields) for fields in last.tried]
    return None


def retire(catalog: Catalog) -> None:
    """Goes back to exact search, as where the collection has become small or all of it is new."""
    _name(catalog, None)
    clean(catalog.folder, None)


def _name(catalog: Catalog, generation: Generation | None) -> None:
    """Names the generation in use in the catalogue, in one transaction."""
    with catalog.writing():
        catalog.set_generation(None if generation is None else json.dumps(asdict(generation)))
        if generation is not None:
            catalog.set_last_generation(generation.number)


def clean(folder: OwnFolder, keep: Generation | None) -> None:
    """Deletes all FAISS files but those of the generation `keep`, and nothing that is not ours."""
    files = [] if keep is None else [path_of(folder, keep), rows_of(folder, keep)]
    # On Windows a reader may have a file open; the next call deletes it.
    with contextlib.suppress(DiskError):
        folder.delete(FOLDER, OURS, keep=frozenset(file.path.name for file in files))


def verified(folder: OwnFolder, generation: Generation) -> digest.Bytes:
    """Returns the content of the FAISS file of a generation, uint8 (n,).

    Raises
    ------
    DamagedError
        If the file is missing, or not the one that was published.
    """
    try:
        path = path_of(folder, generation)
        with path.open() as file, told(path.path, "read"):
            data, found = digest.read_whole(file)
            if generation.form == _IN_ORDER:
                file.seek(0)
                found = digest.in_order(file)
    except FileNotFoundError:
        raise DamagedError(generation, "is missing") from None
    except DiskError as error:
        raise DamagedError(generation, f"cannot be read ({error.reason})") from error
    if found != generation.sha256:
        raise DamagedError(generation, "is truncated or altered")
    return data


def check(folder: OwnFolder, generation: Generation, dimension: int) -> None:
    """Checks that the files of a generation are those that were published, and can be read here.

    Raises
    ------
    DamagedError
        If a file is missing, truncated or altered, or the library that reads it is not installed.
    """
    if kind_of(generation.structure) == QUANTISED and (reason := quantised.why_not()):
        raise DamagedError(generation, f"is a quantised graph, and {reason}")
    verified(folder, generation)
    vectors_of(folder, generation, dimension)


def load(folder: OwnFolder, generation: Generation, vectors: mapped_vectors.MappedVectors) -> Ann:
    """Returns the structure of a generation over its vectors, ready to search.

    Raises
    ------
    DamagedError
        If the file is missing, truncated or altered, or FAISS refuses it.
    """
    data = verified(folder, generation)
    try:
        return structures.load(
            data,
            vectors,
            generation.probes,
            generation.width,
            name=generation.structure,
        )
    except ClrSearchError as error:
        raise DamagedError(generation, f"is of no use: {error.what}", error.remedy) from error


def vectors_of(
    folder: OwnFolder, generation: Generation, dimension: int
) -> mapped_vectors.MappedVectors:
    """Maps the vectors of a generation, which have the length `dimension`.

    Raises
    ------
    DamagedError
        If the file is missing, truncated or altered, or of a former release.
    """
    if generation.form not in (_IN_ORDER, _FORM):
        raise DamagedError(generation, "is of a former release")
    path = rows_of(folder, generation)
    hashed = digest.in_order if generation.form == _IN_ORDER else digest.of_file
    expected = generation.rows_sha256
    try:
        return mapped_vectors.load(path, generation.count, dimension, expected, hashed)
    except FileNotFoundError:
        raise DamagedError(generation, "has lost its vectors") from None
    except DiskError as error:
        raise DamagedError(
            generation, f"has vectors that cannot be read ({error.reason})"
        ) from error
    except ValueError:
        raise DamagedError(generation, "has vectors that are truncated or altered") from None
