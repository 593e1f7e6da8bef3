"""``build-index``: make a collection, and bring it up to date."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import options, output, tables
from clr_search.cli.collections.engines import Engine, by_parquet, engine_options
from clr_search.cli.collections.goals import Goal, goal_options
from clr_search.cli.collections.updated import MOST_LISTED, echo_line, echo_update
from clr_search.cli.collections.vectors import check_use, without_pictures, works_without
from clr_search.cli.path_lists import paths_argument
from clr_search.cli.selecting import Chosen, selection_options
from clr_search.errors import UsageError
from clr_search.files.stores.address import ObjectPath

if TYPE_CHECKING:
    from clr_search.index import Index, SkippedItem
    from clr_search.index.follow import Follower
    from clr_search.index.sync.watch import Watch
    from clr_search.progress import Reporter


@options.command("build-index")
@paths_argument("images")
@click.option(
    "--index",
    "collection",
    metavar="COLLECTION",
    type=options.PATH,
    help="The collection, such as photos.clr; made where there is none.",
)
@click.option(
    "--encoder",
    metavar="ONNX",
    type=options.ENCODER,
    help="The encoder of a new collection, or of one of vectors that has none; it is copied into "
    "it.  [default: the one that comes with the package]",
)
@click.option(
    "--share-encoder",
    is_flag=True,
    help="Share the file of the encoder, by a hard link on the same disk, in place of a copy.",
)
@click.option(
    "--vectors",
    metavar="FILE",
    type=options.EXISTING_FILE,
    help="Add vectors that were made elsewhere, a .parquet or .npy file, in place of IMAGES.",
)
@click.option(
    "--paths",
    metavar="FILE",
    type=options.EXISTING_FILE,
    help="With --vectors: the path of each vector on a line of a text file; .npy has none.",
)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Embed the whole collection again, with another --encoder, then bring IMAGES up to date.",
)
@engine_options
@goal_options
@selection_options(kept=True)
@click.option(
    "--verify", is_flag=True, help="Compare the content of every file, whatever its size and time."
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
@click.option(
    "--metadata",
    metavar="FILE",
    type=options.EXISTING_FILE,
    help="Columns of your own for --where: a .csv or .parquet file with the paths of pictures.",
)
@click.option(
    "--drop-column",
    "dropped",
    metavar="NAME",
    multiple=True,
    help="Remove a column that --metadata gave; can be repeated.",
)
@options.embedding_options()
@click.option(
    "-v", "--verbose", is_flag=True, help="List every file that was skipped, or read with a note."
)
@options.json_option()
@options.pixels_option()
def build_index(
    images: tuple[Path, ...],
    collection: Path | None,
    encoder: Path | None,
    share_encoder: bool,
    vectors: Path | None,
    paths: Path | None,
    rebuild: bool,
    engine: Engine,
    goal: Goal,
    chosen: Chosen,
    verify: bool,
    watch: bool,
    poll: float | None,
    metadata: Path | None,
    dropped: tuple[str, ...],
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
    interruption it continues where it stopped. Without IMAGES, it brings all that the collection
    was made of up to date. Files that are not usable pictures are skipped and
    listed with their reasons. A large collection gets a search structure that is chosen and tuned
    by measuring; clr-search info shows what was tried.

    With --watch, it keeps running, and updates the collection when files have been copied, changed,
    moved or deleted and nothing has changed for a second. Such an update looks only at those files;
    once an hour it looks at all. Between updates, other programs may search and change the
    collection. If a whole folder disappears, as with an unmounted disk, its pictures are kept.

    IMAGES may be in an object store, as s3://, gs:// and az:// with a bucket and a prefix; who may
    read them is taken from the environment (the extra [stores], docs/object-stores.md).

    With --engine ray, the pictures are embedded on all processors of a cluster, or with --gpu-share
    on its GPUs (the extra [ray], docs/ray.md), and this process writes. --to-parquet keeps
    embeddings as files, also without a cluster, and --from-parquet makes a collection of them; each
    picture is embedded once.

    With --vectors, nothing is embedded, and no file need be there. A new collection has no encoder
    then, and is searched by items and by vectors; once --encoder attaches the one that made the
    vectors, also by pictures. Columns of a Parquet file beside path, label and vector are kept.

    With --isolate, a picture that would take more memory or time than others of its size, or that
    crashes its decoder, is skipped, and the rest goes on; give it for pictures of strangers.

    \b
    Example:
      clr-search build-index photos --index photos.clr
      clr-search build-index photos --index photos.clr      # bring it up to date
      clr-search build-index --index photos.clr             # all that it was made of
      clr-search build-index photos --index mine.clr --encoder encoder.onnx
      clr-search build-index --index photos.clr --rebuild --encoder better.onnx
      clr-search build-index photos --index photos.clr --recall 0.99 --memory 500MB
      clr-search build-index photos --index photos.clr --serve single
      clr-search build-index --vectors photos.parquet --index photos.clr
      clr-search build-index photos --index photos.clr --watch
      clr-search build-index uploads --index uploads.clr --isolate
      clr-search build-index photos --index photos.clr --engine ray --address auto
      clr-search build-index photos --to-parquet embedded --engine ray
      clr-search build-index --from-parquet embedded --index photos.clr
      clr-search build-index s3://shop/products --index products.clr
      clr-search build-index --index photos.clr --drop-column rating
    """
    from clr_search.images.isolation import DecodingLimits
    from clr_search.progress import for_terminal

    engine.check(collection, images, device, vectors=vectors, rebuild=rebuild, watch=watch)
    isolation = DecodingLimits() if isolate else None
    if collection is None or engine.from_parquet is not None:
        by_parquet(
            engine,
            collection,
            images,
            encoder,
            chosen.selection,
            batch_size=batch_size,
            workers=workers,
            isolation=isolation,
            device=device,
            share_encoder=share_encoder,
            verbose=verbose,
            as_json=as_json,
        )
        return
    check_use(vectors, paths, images, rebuild=rebuild, watch=watch, verify=verify)
    if vectors is not None or (
        not images
        and not rebuild
        and works_without(collection, anything=bool(encoder or metadata or goal))
    ):
        without_pictures(
            collection,
            vectors,
            paths,
            encoder,
            share_encoder,
            goal,
            metadata,
            verbose=verbose,
            as_json=as_json,
        )
        return
    _check_use(images, collection, encoder, metadata, poll, rebuild=rebuild, watch=watch)
    # Watching begins before the first update, so that no change in between is missed.
    watched = _watched(images, poll) if watch else None
    reporter = for_terminal()
    began = time.monotonic()
    known = not images and not rebuild
    opened = partial(
        _open,
        collection,
        encoder,
        images,
        reporter,
        device,
        chosen,
        share_encoder=share_encoder,
        rebuild=rebuild,
        wait=watch,
    )
    with engine.embedding() as embed, opened() as index:
        reports = []
        if not rebuild:
            index.require_encoder()  # before anything is changed
        index.drop_columns(dropped)
        index.select(
            exclude=chosen.exclude, follow_links=chosen.follow_links, any_name=chosen.any_name
        )
        if known:
            images = _there(index, reporter)
        goal.aim(index)
        if rebuild and encoder is not None:
            reports.append(
                index.rebuild(
                    encoder,
                    reporter=reporter,
                    batch_size=batch_size,
                    workers=workers,
                    isolation=isolation,
                    share_encoder=share_encoder,
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
                    verify=verify,
                    embed=embed,
                )
            )
        if metadata is not None:
            tables.give_columns(index, metadata)
        goal.settle(index, reporter)
        info = index.info()
    for report in reports:
        echo_update(report, info, time.monotonic() - began, verbose=verbose, as_json=as_json)
    if watched is not None:
        from clr_search.index.follow import Follower

        follower = Follower(collection, batch_size, workers, device, isolation)
        _follow(follower, watched, verbose=verbose, as_json=as_json)


def _check_use(
    images: tuple[Path, ...],
    collection: Path,
    encoder: Path | None,
    metadata: Path | None,
    poll: float | None,
    *,
    rebuild: bool,
    watch: bool,
) -> None:
    """Refuse a command that lacks what it works on, and options that do not go together."""
    if not images and not rebuild and not collection.exists():
        raise click.UsageError("Missing argument 'IMAGES...': the folders and files to index.")
    if rebuild and encoder is None:
        raise click.UsageError("--rebuild needs --encoder, the encoder to change to.")
    if watch and not images:
        raise click.UsageError("--watch needs IMAGES, the folders to watch.")
    if metadata is not None and watch:
        raise click.UsageError("--metadata cannot go with --watch; give it before.")
    if poll is not None and not watch:
        raise click.UsageError("--poll belongs to --watch.")
    if watch and any(isinstance(path, ObjectPath) for path in images):
        raise click.UsageError("--watch follows folders; no object store tells of its changes.")


def _there(index: Index, reporter: Reporter) -> tuple[Path, ...]:
    """Return the sources of a collection that are there, after a message on the others."""
    sources = index.sources()
    # Whether a store answers shows when it is listed, and is told then.
    there = tuple(s for s in sources if isinstance(s, ObjectPath) or s.exists())
    missing = [source for source in sources if source not in there]
    for source in missing[:MOST_LISTED]:
        reporter.message(f"{output.shown(source)} is not there; its pictures stay.")
    if len(missing) > MOST_LISTED:
        reporter.message(f"{len(missing) - MOST_LISTED:,} more are not there.")
    if not there:
        raise UsageError(
            f"Nothing that {index.path} was made of is there.",
            "Mount its disk, or say where the pictures are: clr-search build-index IMAGES "
            f"--index {index.path}",
        )
    return there


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
            echo_update(report, update.info, update.seconds, verbose=verbose, as_json=True)
        elif reported is None:
            echo_update(report, update.info, update.seconds, verbose=verbose, as_json=False)
            brief.message("Watching for changes; Ctrl-C ends it.")
        elif changed or skipped - reported:
            echo_line(update, skipped - reported)
        reported = skipped


def _open(
    collection: Path,
    encoder: Path | None,
    images: tuple[Path, ...],
    reporter: Reporter,
    device: str,
    chosen: Chosen,
    *,
    share_encoder: bool,
    rebuild: bool,
    wait: bool,
) -> Index:
    """Open the collection for writing, or create it; `wait` waits for another writer to end."""
    from clr_search.files.find import find_images
    from clr_search.files.left_out import LeftOut, selected
    from clr_search.index import Index
    from clr_search.serve import devices

    def opened() -> Index:
        if rebuild:
            return Index.open(collection, writable=True, device=device, reporter=reporter)
        return Index.create(
            collection, encoder, share_encoder=share_encoder, device=device, reporter=reporter
        )

    if wait:
        from clr_search.index.follow import when_free

        return when_free(opened, reporter)
    if not rebuild and not collection.exists():
        # A wrong folder or device fails here, before it could leave an empty collection behind.
        left_out = LeftOut()
        try:
            find_images(images, left_out, chosen.selection)
        except UsageError as error:
            offered = selected(tuple(left_out.others.items()), options=True)
            raise UsageError(error.what, " ".join(offered) or error.remedy) from error
        devices.require(device)
    return opened()
