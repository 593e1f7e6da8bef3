"""``build-index``, ``add`` and ``remove``: commands that change the items of a collection."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import options, output

if TYPE_CHECKING:
    from clr_search.index import Index, IndexInfo, SkippedItem, UpdateReport
    from clr_search.index.follow import Follower, Updated
    from clr_search.index.sync.watch import Watch
    from clr_search.progress import Reporter

_MOST_LISTED = 3  # Skipped files that are listed below one line of --watch.


@options.command("build-index")
@click.argument("images", nargs=-1, type=options.EXISTING)
@click.option(
    "--index",
    "collection",
    metavar="COLLECTION",
    type=options.PATH,
    required=True,
    help="The collection, such as photos.clr; made where there is none.",
)
@click.option(
    "--encoder",
    metavar="ONNX",
    type=options.ENCODER,
    help="The encoder of a new collection; it is copied into it.  [default: the one that comes "
    "with the package]",
)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Embed the whole collection again, with another --encoder, then bring IMAGES up to date.",
)
@click.option(
    "--recall",
    type=options.Share(),
    help="Least recall@10 of a large collection's search structure; kept.  [default: 0.97]",
)
@click.option(
    "--memory",
    metavar="SIZE",
    type=options.Limit(),
    help="Most memory that the search structure may take, such as 2GB; kept, until --memory none.",
)
@click.option(
    "--graph/--no-graph",
    default=None,
    help="Search a large collection through a graph (HNSW): among a million pictures it answers "
    "in less than half the time, and is built four times as slowly; kept.  [default: no-graph]",
)
@click.option(
    "--watch", is_flag=True, help="Go on, and follow changes in the folders until Ctrl-C."
)
@click.option(
    "--poll",
    metavar="SECONDS",
    type=options.POSITIVE,
    help="With --watch: look for changes every so often; network drives do not tell of them.",
)
@options.embedding_options()
@click.option(
    "-v", "--verbose", is_flag=True, help="List every file that was skipped, or read with a note."
)
@options.json_option()
@options.pixels_option()
def build_index(
    images: tuple[Path, ...],
    collection: Path,
    encoder: Path | None,
    rebuild: bool,
    recall: float | None,
    memory: float | None,
    graph: bool | None,
    watch: bool,
    poll: float | None,
    batch_size: int,
    workers: int | None,
    device: str,
    isolate: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Index folders of images, or bring an index up to date.

    When it runs again, it adds new files, embeds changed files anew, recognizes moved files, and
    removes files that have vanished from the given folders; unchanged files cost nothing. After an
    interruption it continues where it stopped. Files that are not usable pictures are skipped and
    listed with their reasons. A large collection gets a search structure that is chosen and tuned
    by measuring; clr-search info shows what was tried.

    With --watch, it keeps running, and updates the collection when files have been copied, changed,
    moved or deleted and nothing has changed for a second. Such an update looks only at those files;
    once an hour it looks at all. Between updates, other programs may search and change the
    collection. If a whole folder disappears, as with an unmounted disk, its pictures are kept.

    With --isolate, a picture that would take more memory or time than others of its size, or that
    crashes its decoder, is skipped, and the rest goes on; give it for pictures of strangers.

    \b
    Example:
      clr-search build-index photos --index photos.clr
      clr-search build-index photos --index photos.clr      # bring it up to date
      clr-search build-index photos --index mine.clr --encoder encoder.onnx
      clr-search build-index --index photos.clr --rebuild --encoder better.onnx
      clr-search build-index photos --index photos.clr --recall 0.99 --memory 500MB
      clr-search build-index photos --index photos.clr --graph
      clr-search build-index photos --index photos.clr --watch
      clr-search build-index uploads --index uploads.clr --isolate
    """
    from clr_search.images.isolation import DecodingLimits
    from clr_search.progress import for_terminal

    if not images and not rebuild:
        raise click.UsageError("Missing argument 'IMAGES...': the folders and files to index.")
    if rebuild and encoder is None:
        raise click.UsageError("--rebuild needs --encoder, the encoder to change to.")
    if watch and not images:
        raise click.UsageError("--watch needs IMAGES, the folders to watch.")
    if poll is not None and not watch:
        raise click.UsageError("--poll belongs to --watch.")
    # Watching begins before the first update, so that no change in between is missed.
    watched = _watched(images, poll) if watch else None
    isolation = DecodingLimits() if isolate else None
    reporter = for_terminal()
    began = time.monotonic()
    opened = _open(collection, encoder, images, reporter, device, rebuild=rebuild, wait=watch)
    with opened as index:
        reports = []
        if recall is not None or memory is not None or graph is not None:
            index.aim(recall=recall, memory=memory, graph=graph)
        if rebuild and encoder is not None:
            reports.append(
                index.rebuild(
                    encoder,
                    reporter=reporter,
                    batch_size=batch_size,
                    workers=workers,
                    isolation=isolation,
                )
            )
        if images and not watch:
            reports.append(
                index.update(
                    images,
                    reporter=reporter,
                    batch_size=batch_size,
                    workers=workers,
                    isolation=isolation,
                )
            )
        info = index.info()
    for report in reports:
        _print(report, info, time.monotonic() - began, verbose=verbose, as_json=as_json)
    if watched is not None:
        from clr_search.index.follow import Follower

        follower = Follower(collection, batch_size, workers, device, isolation)
        _follow(follower, watched, verbose=verbose, as_json=as_json)


def _watched(folders: tuple[Path, ...], poll: float | None) -> Watch:
    """Begin to watch folders."""
    from clr_search.index.sync.watch import Watch

    return Watch(folders, poll=poll)


def _follow(follower: Follower, watched: Watch, *, verbose: bool, as_json: bool) -> None:
    """Print the first update as without --watch, then a line for each that changes something."""
    from clr_search.progress import Lines, for_terminal

    reported: set[SkippedItem] | None = None
    brief = Lines(brief=True)
    for update in follower.follow(watched, first=for_terminal(), reporter=brief):
        report, skipped = update.report, set(update.report.skipped)
        changed = any((report.added, report.changed, report.moved, report.removed))
        if as_json and (changed or skipped != reported):
            _print(report, update.info, update.seconds, verbose=verbose, as_json=True)
        elif reported is None:
            _print(report, update.info, update.seconds, verbose=verbose, as_json=False)
            brief.message("Watching for changes; Ctrl-C ends it.")
        elif changed or skipped - reported:
            _print_line(update, skipped - reported)
        reported = skipped


def _print_line(update: Updated, skipped: set[SkippedItem]) -> None:
    """Print one update of --watch as a line, and the newly skipped files below it."""
    names = ("added", "changed", "moved", "removed")
    counts = [(getattr(update.report, name), name) for name in names] + [(len(skipped), "skipped")]
    text = ", ".join(f"{number:,} {name}" for number, name in counts if number)
    click.echo(
        f"{time.strftime('%H:%M:%S')}  {text}; {output.count(update.info.count, 'image')}", err=True
    )
    for entry in sorted(skipped, key=lambda entry: entry.path)[:_MOST_LISTED]:
        click.echo(f"  skipped {output.shown(entry.path)}: {entry.reason}", err=True)


def _open(
    collection: Path,
    encoder: Path | None,
    images: tuple[Path, ...],
    reporter: Reporter,
    device: str,
    *,
    rebuild: bool,
    wait: bool,
) -> Index:
    """Open the collection for writing, or create it; `wait` waits for another writer to end."""
    from clr_search.files.find import find_images
    from clr_search.index import Index
    from clr_search.serve import devices

    def opened() -> Index:
        if rebuild:
            return Index.open(collection, writable=True, device=device, reporter=reporter)
        return Index.create(collection, encoder, device=device, reporter=reporter)

    if wait:
        from clr_search.index.follow import when_free

        return when_free(opened, reporter)
    if not rebuild and not collection.exists():
        # A wrong folder or device fails here, before it could leave an empty collection behind.
        find_images(images)
        devices.require(device)
    return opened()


@options.command("add")
@options.collection_argument()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=options.EXISTING)
@options.embedding_options()
@click.option(
    "-v", "--verbose", is_flag=True, help="List every file that was skipped, or read with a note."
)
@options.json_option()
@options.pixels_option()
def add(
    collection: Path,
    paths: tuple[Path, ...],
    batch_size: int,
    workers: int | None,
    device: str,
    isolate: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Add files and folders to a collection.

    It works as build-index does, but keeps the pictures whose files have vanished.

    \b
    Example:
      clr-search add photos.clr holiday/2024 portrait.jpg
    """
    from clr_search.images.isolation import DecodingLimits
    from clr_search.index import Index
    from clr_search.progress import for_terminal

    reporter = for_terminal()
    began = time.monotonic()
    with Index.open(collection, writable=True, device=device, reporter=reporter) as index:
        report = index.add(
            paths,
            reporter=reporter,
            batch_size=batch_size,
            workers=workers,
            isolation=DecodingLimits() if isolate else None,
        )
        info = index.info()
    _print(report, info, time.monotonic() - began, verbose=verbose, as_json=as_json)


@options.command("remove")
@options.collection_argument()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=options.PATH)
@options.json_option()
def remove(collection: Path, paths: tuple[Path, ...], as_json: bool) -> None:
    """Remove files, and all below folders, from a collection.

    The files themselves are not touched. Indexing their folder again brings them back.

    \b
    Example:
      clr-search remove photos.clr photos/private photos/blurred.jpg
    """
    from clr_search.index import Index
    from clr_search.progress import for_terminal

    with Index.open(collection, writable=True, reporter=for_terminal()) as index:
        removed = index.remove(paths, reporter=for_terminal())
        remaining = len(index)
    if as_json:
        output.echo_json({"collection": collection, "removed": removed, "images": remaining})
    else:
        name = output.shown(collection)
        click.echo(f"Removed {output.count(removed, 'image')} from {name}; {remaining:,} left.")


def _print(
    report: UpdateReport, info: IndexInfo, seconds: float, *, verbose: bool, as_json: bool
) -> None:
    """Print what an update has done, and the collection after it."""
    from clr_search.files.left_out import passed_over

    embedded = report.added + report.changed
    rate = embedded / seconds if embedded else None
    names = ("added", "changed", "moved", "removed", "unchanged")
    counts = {name: getattr(report, name) for name in names}
    if as_json:
        output.echo_json(
            {
                "collection": info.path,
                "images": info.count,
                **counts,
                "skipped": [{"path": e.path, "reason": e.reason} for e in report.skipped],
                "noted": [{"path": e.path, "note": str(e)} for e in report.noted],
                "passed_over": dict(report.passed_over),
                "structure": info.structure,
                "recall": info.recall,
                "latency_ms": info.latency_ms,
                "seconds": round(seconds, 3),
                "images_per_second": None if rate is None else round(rate, 1),
            }
        )
        return
    output.echo_heading(f"{output.shown(info.path)}: {output.count(info.count, 'image')}")
    phrases = [f"{number:,} {name}" for name, number in counts.items()]
    phrases.append(f"{len(report.skipped):,} skipped")
    speed = "" if rate is None else f", {rate:,.1f} images/s"
    output.echo_facts(
        [
            ("files", ", ".join(phrases)),
            ("search", output.structure(info)),
            ("time", output.duration(seconds) + speed),
        ]
    )
    output.echo_skipped([(e.path, e.reason) for e in report.skipped], verbose=verbose)
    output.echo_noted([(e.path, str(e), e.lossy) for e in report.noted], verbose=verbose)
    for line in passed_over(report.passed_over):
        click.echo(line)
