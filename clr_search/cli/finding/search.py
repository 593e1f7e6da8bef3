"""``search``: find the pictures of a collection that are most similar to a query."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import options, output
from clr_search.cli.finding.filtering import Names, filter_options
from clr_search.cli.finding.printing import print_matches, print_same
from clr_search.cli.finding.results import GivenVector, Subject, answer, written
from clr_search.cli.path_lists import paths_argument
from clr_search.cli.row_files import results_output
from clr_search.errors import ClrSearchError, QueryError, UsageError

if TYPE_CHECKING:
    from clr_search.index import Index, Matches, Query

    Ask = partial[Query]
    """A function that makes the query of a picture or an item, with the options of the command."""

_NOTHING_ELSE = "nothing else is in the collection"
_NOTHING_LIKE = "nothing in the collection is so like it"

# --diverse weighs the difference from other results as much as the similarity to the query.
_DIVERSITY = 0.5


@dataclass(slots=True)
class Answers:
    """The outcome of all queries of a command.

    Attributes
    ----------
    keep : bool
        Whether `found` collects the matches, for a contact sheet.
    count : int
        Number of queries that were answered.
    found : list of (Path or int, Matches)
        The subjects of the queries with their matches, if `keep`.
    failures : list of ClrSearchError
        The reasons why other queries could not be answered.
    """

    keep: bool
    count: int = 0
    found: list[tuple[Subject, Matches]] = field(default_factory=list)
    failures: list[ClrSearchError] = field(default_factory=list)


@options.command("search")
@options.collection_argument()
@paths_argument("queries", "QUERY...", exists=False)
@click.option(
    "--item",
    "items",
    metavar="ID",
    multiple=True,
    type=options.COUNT,
    help="Search by an item of the collection; can be repeated.",
)
@click.option(
    "--vector",
    "vectors",
    metavar="FILE",
    multiple=True,
    type=options.EXISTING_FILE,
    help="Search by the vectors of an .npy file, of one (D) or several (N, D); can be repeated.",
)
@click.option("-k", type=options.COUNT, default=10, show_default=True, help="Results a query.")
@click.option(
    "--like",
    metavar="PATH",
    multiple=True,
    type=options.EXISTING_FILE,
    help="A picture the results should be more like; can be repeated.",
)
@click.option(
    "--unlike",
    metavar="PATH",
    multiple=True,
    type=options.EXISTING_FILE,
    help="A picture the results should be less like; can be repeated.",
)
@filter_options()
@click.option(
    "--columns",
    metavar="NAMES",
    type=Names(),
    help="Show these columns beside each result: camera,taken. --json shows all of your own.",
)
@click.option("--include-self", is_flag=True, help="Keep the query among its own results.")
@click.option(
    "--crop",
    metavar="PART",
    type=options.Fractions(),
    help="Search by a part: left, top, width, height in fractions, as 0.25,0,0.5,0.5.",
)
@click.option("--diverse", is_flag=True, help="Results that are not all like each other.")
@click.option(
    "--min-score",
    metavar="COSINE",
    type=click.FloatRange(-1, 1),
    help="Only results with at least this score.",
)
@click.option(
    "--min-percentile",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    help="Only results that are more alike than this share of random pairs, such as 99.9.",
)
@options.json_option()
@click.option(
    "--out",
    metavar="FILE",
    type=options.PATH,
    callback=results_output,
    help="Write all results to a .csv, .jsonl or .parquet file.",
)
@click.option(
    "--contact-sheet",
    "sheet",
    metavar="PICTURE",
    type=options.PATH,
    callback=options.picture_output,
    help="Draw queries and results into a PNG, JPEG or WebP file.",
)
@click.option("--open", "show", is_flag=True, help="Show the contact sheet.")
@options.force_option("the contact sheet and the file of results")
@options.pixels_option()
def search(
    collection: Path,
    queries: tuple[Path, ...],
    items: tuple[int, ...],
    vectors: tuple[Path, ...],
    k: int,
    like: tuple[Path, ...],
    unlike: tuple[Path, ...],
    columns: tuple[str, ...] | None,
    include_self: bool,
    crop: tuple[float, float, float, float] | None,
    diverse: bool,
    min_score: float | None,
    min_percentile: float | None,
    as_json: bool,
    out: Path | None,
    sheet: Path | None,
    show: bool,
    force: bool,
    **conditions: Any,
) -> None:
    """Find the pictures of a collection most like a picture.

    Queries are pictures, and folders of them. A query need not be in the collection; if it is, it
    is left out of its own results, and copies of it elsewhere are named. The score is the cosine
    similarity, 1 for the same picture. The percentage beside it is the share of random pairs of the
    collection that are less similar. --min-percentile is a limit on this percentage, which means
    the same with every encoder. A query without results is not a failure. A query that is missing
    or fails is reported, and the others are answered.

    \b
    Example:
      clr-search search photos.clr query.jpg
      clr-search search photos.clr *.jpg -k 20 --contact-sheet results.png
      clr-search search photos.clr beach.jpg --unlike crowd.jpg --under photos/2024
      clr-search search photos.clr street.jpg --crop 0.6,0.2,0.3,0.5 --diverse
      clr-search search photos.clr new-photos -k 5 --out results.csv
      clr-search search photos.clr --item 17 --glob 'IMG_*.jpg' --after 2024-05-01
      clr-search search photos.clr --vector query.npy
      clr-search search photos.clr query.jpg --min-percentile 99.9
      clr-search search photos.clr query.jpg --columns camera,taken --after 2024-05-01
      clr-search search photos.clr query.jpg --json | jq -r '.results[].path'
    """
    from clr_search.files.write import refuse_existing
    from clr_search.index import Filter, Index, Query
    from clr_search.progress import Lines

    if not queries and not items and not vectors:
        raise click.UsageError("Missing argument 'QUERY...': a picture, a folder, or --item ID.")
    if vectors and (sheet is not None or show):
        raise click.UsageError("A contact sheet shows pictures, and --vector has none.")
    for file in (sheet, out):
        if file is not None:
            refuse_existing(file, force=force)
    ask = partial(
        Query,
        k=k,
        like=like,
        unlike=unlike,
        filter=Filter(**conditions),
        include_self=include_self,
        diversity=_DIVERSITY if diverse else 0.0,
        crop=crop,
        min_score=min_score,
        min_percentile=min_percentile,
    )
    answers = Answers(keep=sheet is not None or show)
    subjects: list[Subject] = [*_listed(queries, answers), *items, *_given(vectors)]
    # The CPU embeds a few pictures in less time than a GPU needs to start.
    with Index.open(collection, device="cpu", reporter=Lines()) as index:
        if columns is None and (as_json or (out is not None and out.suffix == ".jsonl")):
            columns = tuple(index.kinds(own=True))
        ask.keywords["columns"] = columns or ()
        if out is not None:
            _write(index, subjects, ask, answers, out, as_json=as_json)
        else:
            _echo(index, subjects, ask, answers, as_json=as_json)
        if answers.found:
            _draw(index, answers, sheet, show=show)
    if answers.failures:
        click.get_current_context().exit(1)


def _listed(queries: tuple[Path, ...], answers: Answers) -> list[Path]:
    """Return the pictures among the queries, and all pictures in the folders among them."""
    from clr_search.files.finding.find import find_images
    from clr_search.files.finding.left_out import LeftOut

    paths: list[Path] = []
    left_out = LeftOut()
    for query in queries:
        if os.path.isdir(query):  # noqa: PTH112  # `Path.is_dir` raises where a name is too long
            paths += [image.path for image in find_images([query], left_out)]
        else:
            paths.append(query)
    answers.failures += output.complain_of(left_out)
    return paths


def _given(files: tuple[Path, ...]) -> list[GivenVector]:
    """Return the vectors of files; each of several is called by its row."""
    from clr_search.files.tables.vector_reading import read_queries

    return [
        GivenVector(str(file) if len(rows) == 1 else f"{file}/{number}", row)
        for file in files
        for rows in [read_queries(file)]
        for number, row in enumerate(rows)
    ]


def _echo(
    index: Index, queries: list[Subject], ask: Ask, answers: Answers, *, as_json: bool
) -> None:
    """Print the matches of all queries."""
    for query, matches in _answer(index, queries, ask, answers):
        if as_json:
            output.echo_json(answer(query, matches))
            continue
        if len(queries) > 1:
            output.echo_heading(_named(query), apart=answers.count > 1)
        print_same(matches)
        print_matches(matches, nothing=_NOTHING_LIKE if _limited(ask) else _NOTHING_ELSE)


def _write(
    index: Index,
    queries: list[Subject],
    ask: Ask,
    answers: Answers,
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Write the matches of all queries into a file, and with ``--json`` also print them."""
    from clr_search.progress import Silent, for_terminal

    reporter = Silent() if as_json else for_terminal()  # A progress bar would mix with stdout.
    kinds = _shown_kinds(index, ask.keywords["columns"])
    with reporter.task("Searching", len(queries), "queries"), written(out, kinds) as results:
        for query, matches in _answer(index, queries, ask, answers):
            results.add(query, matches)
            if as_json:
                output.echo_json(answer(query, matches))
            reporter.advance()
    answered = output.count(answers.count, "answer")
    click.echo(f"{output.shown(out)}: {answered}", err=True)


def _shown_kinds(index: Index, columns: Sequence[str]) -> dict[str, str]:
    """Return the kinds of the columns that results have, by their names."""
    from clr_search.index.catalog.columns.store import spelt

    kinds = index.kinds()
    return {name: kinds[name] for name in [spelt(one, kinds) for one in columns]}


def _named(query: Subject) -> str:
    """Return the name of a query for people."""
    return f"item {query}" if isinstance(query, int) else output.shown(str(query))


def _answer(
    index: Index, queries: list[Subject], ask: Ask, answers: Answers
) -> Iterator[tuple[Subject, Matches]]:
    """Answer one query after the other; the failure of one of several is printed."""
    for query in queries:
        try:
            if isinstance(query, GivenVector):
                matches = index.search(ask(vectors=query.vector))
            else:
                matches = index.search(ask(picture=query))
            matches = matches.with_missing()
        except ClrSearchError as error:
            affects_all = isinstance(error, UsageError) and not isinstance(error, QueryError)
            if affects_all or len(queries) == 1:
                raise
            if str(error) not in map(str, answers.failures):  # A broken --like fails every query.
                output.complain(error)
            answers.failures.append(error)
            continue
        answers.count += 1
        if answers.keep:
            answers.found.append((query, matches))
        yield query, matches


def _limited(ask: Ask) -> bool:
    """Whether results must reach a least score or percentile."""
    limits = ask.keywords["min_score"], ask.keywords["min_percentile"]
    return any(limit is not None for limit in limits)


def _draw(index: Index, answers: Answers, sheet: Path | None, *, show: bool) -> None:
    """Draw the contact sheet, in a temporary folder if no file is named, and show it."""
    import tempfile

    from clr_search.files.write import atomic_path
    from clr_search.pictures import SheetRow, Tile, contact_sheet

    rows = []
    roots = index.info().roots
    for subject, matches in answers.found:
        query = index.item(subject).path if isinstance(subject, int) else Path(str(subject))
        folder = query.resolve().parent
        own = folder.name if query in index and folder not in roots else None
        tiles = [
            Tile(
                match.path,
                caption=match.path.name,
                label=match.label or "",
                score=match.score,
                same=None if own is None or match.label is None else match.label == own,
            )
            for match in matches
        ]
        rows.append(SheetRow(Tile(query, caption=query.name, label=own or ""), tiles))
    if sheet is None:
        sheet = Path(tempfile.mkdtemp(prefix="clr-search-")) / "results.png"
    with atomic_path(sheet) as temporary:
        contact_sheet(rows).save(temporary, format=output.picture_format(sheet))
    click.echo(f"Contact sheet: {output.shown(sheet)}", err=True)
    if show and click.launch(str(sheet)) != 0:
        click.echo("No program to show it was found; open it by hand.", err=True)
