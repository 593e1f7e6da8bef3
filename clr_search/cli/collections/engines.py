"""The options of how pictures are embedded: here, on several machines, or into Parquet files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

import click

from clr_search.cli import options, output
from clr_search.cli.collections.updated import echo_update
from clr_search.files.finding.selection import Selection

if TYPE_CHECKING:
    from clr_search.images.isolation import DecodingLimits
    from clr_search.serve.pipeline import Embed

_Name = Literal["local", "ray"]

_OPTIONS = (
    click.option(
        "--engine",
        type=click.Choice(get_args(_Name)),
        default="local",
        show_default=True,
        help="Embed in this process, or on the processors of a cluster of Ray, in worker processes "
        "as with --isolate. It takes the extra [ray].",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT",
        help="With --engine ray: the head of the cluster, or auto for the one that this machine "
        "belongs to.  [default: this machine alone]",
    ),
    click.option(
        "--gpu-share",
        metavar="SHARE",
        type=click.FloatRange(0, 1, min_open=True),
        help="With --engine ray: embed on GPUs, and nowhere else; the share of one that each "
        "encoder takes, such as 0.5 for two on each GPU.  [default: processors embed]",
    ),
    click.option(
        "--to-parquet",
        metavar="DIR",
        type=options.PATH,
        help="Keep the embeddings as Parquet files in a folder, in place of a collection.",
    ),
    click.option(
        "--from-parquet",
        metavar="DIR",
        type=options.EXISTING,
        help="Take the embeddings of such a folder, in place of IMAGES, which need not be there.",
    ),
)


@dataclass(frozen=True, slots=True)
class Engine:
    """What was given of the options of `engine_options`."""

    name: _Name = "local"
    address: str | None = None
    gpu_share: float | None = None
    to_parquet: Path | None = None
    from_parquet: Path | None = None

    def check(
        self, collection: Path | None, images: tuple[Path, ...], device: str, **others: object
    ) -> None:
        """Refuse options that do not go together; `others` are those for pictures, by name."""
        for option, given in (("--address", self.address), ("--gpu-share", self.gpu_share)):
            if given is not None and self.name != "ray":
                raise click.UsageError(f"{option} belongs to --engine ray.")
        if self.name == "ray" and device.startswith("cuda"):
            raise click.UsageError(
                "--device is for this process; with --engine ray, --gpu-share chooses GPUs."
            )
        if self.to_parquet is None and collection is None:
            raise click.UsageError("Missing option '--index'.")
        if self.to_parquet is not None:
            if collection is not None or self.from_parquet is not None:
                raise click.UsageError("--to-parquet takes the place of --index; give one of them.")
            if not images:
                raise click.UsageError("--to-parquet needs IMAGES, the folders to embed.")
        if self.from_parquet is not None and (images or self.name == "ray"):
            raise click.UsageError("--from-parquet takes the place of IMAGES; nothing is embedded.")
        parquet = self.to_parquet is not None or self.from_parquet is not None
        own = "--to-parquet and --from-parquet" if parquet else "--engine ray"
        refused = [name for name, given in others.items() if given]
        if refused and (parquet or self.name == "ray"):
            option = refused[0].replace("_", "-")
            raise click.UsageError(f"--{option} cannot go with {own}.")

    @contextmanager
    def embedding(self) -> Iterator[Embed | None]:
        """The function that embeds elsewhere, while the context lasts; None for this process."""
        if self.name == "local":
            yield None
            return
        from clr_search.distributed.engine import RayEngine

        with RayEngine(self.address, gpu_share=self.gpu_share) as engine:
            yield engine.embed


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--engine``, ``--address``, ``--gpu-share``, ``--to-parquet``, ``--from-parquet``.

    The command receives them together as `engine`, an `Engine`.
    """

    @wraps(function)
    def command(
        engine: _Name,
        address: str | None,
        gpu_share: float | None,
        to_parquet: Path | None,
        from_parquet: Path | None,
        **values: Any,
    ) -> Any:
        given = Engine(engine, address, gpu_share, to_parquet, from_parquet)
        return function(engine=given, **values)

    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)


class Settings(TypedDict):
    """What `Index.add`, `Index.update` and `Index.rebuild` take of it, by their names."""

    batch_size: int
    workers: int | None
    isolation: DecodingLimits | None


@dataclass(frozen=True, slots=True)
class Embedding:
    """What was given of the options of `embedding_options`.

    Attributes
    ----------
    batch_size : int
        Pictures embedded and saved at a time.
    workers : int or None
        Threads that decode; None for one a core.
    device : str
        Where to embed, as `serve.devices` has it.
    isolate : bool
        Decode in worker processes with limits on memory and time.
    """

    batch_size: int
    workers: int | None
    device: str
    isolate: bool

    @property
    def settings(self) -> Settings:
        """What the index takes."""
        from clr_search.images.isolation import DecodingLimits

        isolation = DecodingLimits() if self.isolate else None
        return {"batch_size": self.batch_size, "workers": self.workers, "isolation": isolation}


def embedding_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--batch-size``, ``--workers``, ``--device`` and ``--isolate``.

    The command receives them together as `embedding`, an `Embedding`.
    """

    @wraps(function)
    def command(
        batch_size: int, workers: int | None, device: str, isolate: bool, **values: Any
    ) -> Any:
        return function(embedding=Embedding(batch_size, workers, device, isolate), **values)

    workers = click.option(
        "--workers", type=options.COUNT, help="Threads that decode.  [default: one a core]"
    )
    batch_size = click.option(
        "--batch-size",
        type=options.BATCH,
        default=64,
        show_default=True,
        help="Pictures embedded and saved at a time.",
    )
    isolate = click.option(
        "--isolate",
        is_flag=True,
        help="Decode in worker processes with limits on memory and time.",
    )
    decorated: Callable[..., Any] = batch_size(workers(options.device_option()(isolate(command))))
    return decorated


def by_parquet(
    engine: Engine,
    collection: Path | None,
    images: tuple[Path, ...],
    encoder: Path | None,
    selection: Selection,
    embedding: Embedding,
    *,
    share_encoder: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Embed images into a folder of Parquet files, or make a collection of one."""
    if collection is not None:
        _from_parquet(engine, collection, share_encoder, verbose=verbose, as_json=as_json)
        return
    from clr_search.distributed.embedding import embed_into
    from clr_search.progress import for_terminal
    from clr_search.serve.encoder import Encoder
    from clr_search.serve.pipeline import by_pipeline

    assert engine.to_parquet is not None
    began = time.monotonic()
    with engine.embedding() as embed:
        done = embed_into(
            engine.to_parquet,
            images,
            Encoder(encoder, device="cpu" if embed else embedding.device),
            embed or by_pipeline(**embedding.settings),
            selection=selection,
            reporter=for_terminal(),
        )
    seconds = time.monotonic() - began
    if as_json:
        output.echo_json(
            {
                "folder": engine.to_parquet,
                "embedded": done.embedded,
                "unchanged": done.unchanged,
                "skipped": [{"path": e.path, "reason": e.reason} for e in done.skipped],
                "seconds": round(seconds, 3),
            }
        )
        return
    output.echo_heading(f"{output.shown(engine.to_parquet)}: embeddings as Parquet files")
    counts = (
        f"{done.embedded:,} embedded, {done.unchanged:,} unchanged, {len(done.skipped):,} skipped"
    )
    output.echo_facts([("files", counts), ("time", output.duration(seconds))])
    output.echo_skipped([(e.path, e.reason) for e in done.skipped], verbose=verbose)


def _from_parquet(
    engine: Engine, collection: Path, share_encoder: bool, *, verbose: bool, as_json: bool
) -> None:
    """Make a collection of a folder of Parquet files, or add what it has to one."""
    from clr_search.distributed.embedding import collect
    from clr_search.progress import for_terminal

    assert engine.from_parquet is not None
    began = time.monotonic()
    report, info = collect(
        engine.from_parquet, collection, share_encoder=share_encoder, reporter=for_terminal()
    )
    echo_update(report, info, time.monotonic() - began, verbose=verbose, as_json=as_json)
