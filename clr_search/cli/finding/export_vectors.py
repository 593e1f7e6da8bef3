"""``export-vectors``: write the vectors of a collection for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clr_search.cli import options, output
from clr_search.cli.finding.filtering import filter_options


def _known(ctx: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Refuse, as a callback, a file whose suffix is of no format."""
    from clr_search.files.tables.vector_writing import ENDINGS

    if value.suffix.lower() not in ENDINGS:
        raise click.BadParameter(f"{value} does not end in {', '.join(ENDINGS)}.")
    return value


@options.command("export-vectors")
@options.collection_argument()
@click.option(
    "--out",
    metavar="FILE",
    type=options.PATH,
    required=True,
    callback=_known,
    help="The .parquet, .npz or .npy file to write.",
)
@click.option(
    "--paths",
    metavar="FILE",
    type=options.PATH,
    help="Write the path of each vector on a line of this text file, too: .npy holds vectors only.",
)
@filter_options()
@click.option("--map", "with_map", is_flag=True, help="Add x and y, the coordinates of a map.")
@click.option(
    "--most",
    type=options.COUNT,
    default=10_000,
    show_default=True,
    help="With --map: items that have a place; of more, an even sample.",
)
@click.option(
    "--seed", type=options.DRAWN_SEED, default=0, show_default=True, help="Seed of the map."
)
@options.force_option("the files")
@options.json_option()
def export_vectors(
    collection: Path,
    out: Path,
    paths: Path | None,
    with_map: bool,
    most: int,
    seed: int,
    force: bool,
    as_json: bool,
    **conditions: Any,
) -> None:
    """Write the vectors of a collection for other programs.

    A .parquet file has a row for each item: its path, label and columns, x and y with --map, and
    its vector, of length 1. An .npz file has an array of each, and an .npy file the vectors alone.
    pandas, DuckDB, LanceDB and embedding-atlas read Parquet, NumPy and usearch the others.
    build-index --vectors makes a collection of such a file.

    \b
    Example:
      clr-search export-vectors photos.clr --out photos.parquet
      clr-search export-vectors photos.clr --out photos.parquet --map --label roses
      clr-search export-vectors photos.clr --out photos.npy --paths photos.txt
    """
    from clr_search.analysis.exchange import vectors_out
    from clr_search.files.write import refuse_existing
    from clr_search.index import Filter, Index
    from clr_search.progress import Lines

    for file in filter(None, (out, paths)):
        refuse_existing(file, force=force)
    if paths is not None and paths.resolve() == out.resolve():
        raise click.UsageError("--paths and --out name the same file.")
    with Index.open(collection, reporter=Lines()) as index:
        count = vectors_out.export_vectors(
            index,
            out,
            where=Filter(**conditions),
            names=paths,
            on_map=most if with_map else None,
            seed=seed,
        )
        dimension = index.info().dimension
    if as_json:
        output.echo_json({"file": out, "paths": paths, "vectors": count, "dimension": dimension})
        return
    vectors = output.count(count, "vector")
    size = output.size(out.stat().st_size)
    click.echo(f"{output.shown(out)}: {vectors} of {dimension:,} values, {size}", err=True)
