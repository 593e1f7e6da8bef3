"""``build-index``: make a collection, and bring it up to date."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import options, output, tables
from clr_search.cli.collections.engines import (
    Embedding,
    Engine,
    by_parquet,
    embedding_options,
    engine_options,
)
from clr_search.cli.collections.goals import Goal, goal_options
from clr_search.cli.collections.updated import MOST_LISTED, echo_line, echo_update
from clr_search.cli.collections.vectors import check_use, without_pictures, works_without
from clr_search.cli.path_lists import paths_argument
from clr_search.cli.selecting import Chosen, selection_options
from clr_search.errors import UsageError
from clr_search.files.stores.address import ObjectPath

if TYPE_CHECKING:
    from clr_search.index import Index, IndexInfo, SkippedItem, UpdateReport
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
@embedding_options
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
    embedding: Embedding,
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
    engine.check(
        collection, images, embedding.device, vectors=vectors, rebuild=rebuild, watch=watch
    )
    if collection is None or engine.from_parquet is not None:
        by_parquet(
            engine,
            collection,
            images,
            encoder,
            chosen.selection,
            embedding,
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
    began = time.monotonic()
    job = _Job(collection, encoder, share_encoder, rebuild, chosen, embedding, verify)
    reports, info = job.run(images, engine, goal, metadata, dropped, watch=watch)
    for report in reports:
        echo_update(report, info, time.monotonic() - began, verbose=verbose, as_json=as_json)
    if watched is not None:
        from clr_search.index.follow import Follower

        follower = Follower(collection, device=embedding.device, **embedding.settings)
        _follow(follower, watched, verbose=verbose, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Job:
    """Bringing a collection of pictures up to date: what was given of it, and its steps."""

    collection: Path
    encoder: Path | None
    share_encoder: bool
    rebuild: bool
    chosen: Chosen
    embedding: Embedding
    verify: bool

    def run(
        self,
        images: tuple[Path, ...],
        engine: Engine,
        goal: Goal,
        metadata: Path | None,
        dropped: tuple[str, ...],
        *,
        watch: bool,
    ) -> tuple[list[UpdateReport], IndexInfo]:
        """Make or open the collection, and do all but watch; return what came of it."""
        from clr_search.progress import for_terminal

        reporter = for_terminal()
        with engine.embedding() as embed, self._open(images, reporter, wait=watch) as index:
            reports = []
            if not self.rebuild:
                index.require_encoder()  # before anything is changed
            index.drop_columns(dropped)
            index.select(
                exclude=self.chosen.exclude,
                follow_links=self.chosen.follow_links,
                any_name=self.chosen.any_name,
            )
            if not images and not self.rebuild:
                images = _there(index, reporter)
            goal.aim(index)
            settings = self.embedding.settings
            if self.rebuild and self.encoder is not None:
                reports.append(
                    index.rebuild(
                        self.encoder,
                        reporter=reporter,
                        share_encoder=self.share_encoder,
                        **settings,
                    )
                )
            if images and not watch:
                reports.append(
                    index.update(
                        images, reporter=reporter, verify=self.verify, embed=embed, **settings
                    )
                )
            if metadata is not None:
                tables.give_columns(index, metadata)
            goal.settle(index, reporter)
            return reports, index.info()

    def _open(self, images: tuple[Path, ...], reporter: Reporter, *, wait: bool) -> Index:
        """Open the collection, or create it; `wait` waits for another writer to end."""
        from clr_search.index import Index
        from clr_search.serve import devices

        def opened() -> Index:
            device = self.embedding.device
            if self.rebuild:
                return Index.open(self.collection, writable=True, device=device, reporter=reporter)
            return Index.create(
                self.collection,
                self.encoder,
                share_encoder=self.share_encoder,
                device=device,
                reporter=reporter,
            )

        if wait:
            from clr_search.index.follow import when_free

            return when_free(opened, reporter)
        if not self.rebuild and not self.collection.exists():
            # A wrong folder or device fails here, before it could leave an empty collection behind.
            _require_pictures(images, self.chosen)
            devices.require(self.embedding.device)
        return opened()


def _require_pictures(images: tuple[Path, ...], chosen: Chosen) -> None:
    """Refuse folders in which nothing is found, and say which options would find something."""
    from clr_search.files.finding.find import find_images
    from clr_search.files.finding.left_out import LeftOut, selected

    left_out = LeftOut()
    try:
        find_images(images, left_out, chosen.selection)
    except UsageError as error:
        offered = selected(tuple(left_out.others.items()), options=True)
        raise UsageError(error.what, " ".join(offered) or error.remedy) from error


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
