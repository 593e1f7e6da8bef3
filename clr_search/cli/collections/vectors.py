"""``build-index`` where no picture is embedded: --vectors, and an encoder for what it made."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import output, tables
from clr_search.cli.collections.updated import echo_update
from clr_search.cli.path_lists import listed

if TYPE_CHECKING:
    from clr_search.cli.collections.goals import Goal
    from clr_search.index import IndexInfo


_ALIKE = 0.9  # least cosine of the same picture by the same encoder, however it was decoded


def check_use(
    vectors: Path | None,
    paths: Path | None,
    images: tuple[Path, ...],
    *,
    rebuild: bool,
    watch: bool,
    verify: bool,
) -> None:
    """Refuse options that do not go with --vectors, and --paths without it."""
    if vectors is None:
        if paths is not None:
            raise click.UsageError("--paths belongs to --vectors.")
        return
    if images:
        raise click.UsageError("--vectors cannot go with IMAGES; embed these by another command.")
    for given, name in ((rebuild, "--rebuild"), (watch, "--watch"), (verify, "--verify")):
        if given:
            raise click.UsageError(f"{name} is about pictures, and cannot go with --vectors.")


def works_without(collection: Path, *, anything: bool) -> bool:
    """Whether there is a collection without an encoder, and anything to do that needs none."""
    from clr_search.index import Index

    if not anything or not collection.exists():
        return False
    with Index.open(collection) as index:
        return not index.info().encoder_sha256


def without_pictures(
    collection: Path,
    vectors: Path | None,
    paths: Path | None,
    encoder: Path | None,
    share_encoder: bool,
    goal: Goal,
    metadata: Path | None,
    *,
    verbose: bool,
    as_json: bool,
) -> None:
    """Add the vectors of a file, or attach an encoder; then set goals and give columns.

    `paths` is a text file that lists the paths of the vectors.
    """
    from clr_search.analysis.exchange.vectors_in import agreement, import_vectors
    from clr_search.index import Index
    from clr_search.progress import for_terminal

    began, reporter, report = time.monotonic(), for_terminal(), None
    if vectors is not None:
        names = None if paths is None else listed(paths.read_bytes())
        report = import_vectors(
            collection,
            vectors,
            names,
            encoder=encoder,
            share_encoder=share_encoder,
            reporter=reporter,
        )
    opened = Index.create(collection, encoder, share_encoder=share_encoder, reporter=reporter)
    with opened as index:
        if goal:
            goal.aim(index)
            index.settle(reporter=reporter, retune=goal.retune)
        if metadata is not None:
            tables.give_columns(index, metadata)
        info = index.info()
        alike = agreement(index) if encoder is not None else None
    if alike is not None and alike < _ALIKE:
        reporter.message(
            f"What {encoder} makes of pictures that are there is not what the collection holds of "
            f"them: their cosine is {alike:.2f}, not 1. Is it the encoder that made the vectors?"
        )
    if report is not None:
        echo_update(report, info, time.monotonic() - began, verbose=verbose, as_json=as_json)
    elif encoder is not None:
        _echo_attached(info, as_json=as_json)


def _echo_attached(info: IndexInfo, *, as_json: bool) -> None:
    """Print that a collection is searched by pictures now."""
    if as_json:
        facts = {"collection": info.path, "images": info.count, "encoder": info.encoder_name}
        output.echo_json(facts | {"dimension": info.dimension})
        return
    click.echo(
        f"{output.shown(info.path)} is searched by pictures now, too: its encoder is "
        f"{output.shown(info.encoder_name)}, {info.dimension:,} dimensions."
    )
