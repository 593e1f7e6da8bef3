"""What a collection of a million to a billion pictures takes: cores, hours, disk, memory, network.

    python -m bench.scale_model                       # the tables of docs/scale.md
    python -m bench.scale_model --pixels photos --nodes 32 --cores 16

The model has constants that were measured on one machine of two cores, each with the result it is
from, and says how each grows: embedding, disk and replicas with the number of pictures, and
building and searching by a power of it, drawn through the sizes that were measured. `check` shows
how far it lies from them. Nothing has to be extended beyond ten million items: no folder and no
query node holds more.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

import numpy as np

Pixels = Literal["small", "photos"]

IMAGES_PER_CORE_S = {"small": 1403 / 2, "photos": 279 / 2}
"""Embedded pictures a second and core: embed-flowers5.md (128 pixels) and embed-camera.md."""

BYTES = {"small": 15_100, "photos": 3_000_000}
"""Bytes of a file: those of object-store.md; a photo of 12 megapixels as cameras write it."""

OBJECTS_PER_CORE_S = 1401 / 2
"""Objects read a second and core from an object store: object-store.md."""

ROW_BYTES = 400
"""Bytes of an item in the catalogue beside its vector: path, sizes, times, SHA-256, pages."""

FILES_MB = {(117_469, 256): 166.0, (998_000, 512): 2498.0, (10_000_000, 256): 14_070.0}
"""Size of a whole collection by items and length of vectors: search.md, search-million.md,
growth.md."""

REPLICA_BYTES = 425
"""Bytes of an item in the replica that each client of Milvus keeps: 316 to 534, milvus.md."""

WRITTEN_ITEMS_S = 100_000 / 181
"""Items a second that the one writer gives to Milvus, its index built meanwhile: milvus.md, where
server and client shared two busy cores with other programs."""

REPLICA_ITEMS_S = 100_000 / 10.7
"""Items a second in which a client reads its replica for the first time: milvus.md."""

MAPPED_BYTES = 2
"""Bytes of a number of a vector in the file that search maps; the catalogue has it once more."""

BUILD = {1_000_000: 28.0, 3_000_000: 84.4, 10_000_000: 388.8}
SINGLE_MS = {
    100_000: 0.19,
    300_000: 0.27,
    1_000_000: 0.37,
    3_000_000: 0.33,
    10_000_000: 0.51,
}
"""Seconds of building, and milliseconds of one search, by the number of items: growth.md, vectors
of length 256, two cores. Below a million, building takes less than a power of the number says."""

LARGEST_LOCAL = 10_000_000
"""Items up to which one machine is proposed: its catalogue is written by one process."""

SHARD = 10_000_000
"""Items of a query node of Milvus: 256 numbers as fp32 and an HNSW graph take about 14 GB."""


@dataclass(frozen=True, slots=True)
class Power:
    """A quantity that grows by a power of the number of items: factor · n ** exponent."""

    factor: float
    exponent: float

    @classmethod
    def through(cls, points: dict[int, float]) -> Power:
        """The power that lies nearest to measured points, in logarithms.

        Examples
        --------
        >>> fitted = Power.through({10: 2.0, 1000: 200.0})
        >>> round(fitted.at(100), 6), round(fitted.exponent, 6)
        (20.0, 1.0)
        """
        exponent, offset = np.polyfit(np.log(list(points)), np.log(list(points.values())), 1)
        return cls(float(np.exp(offset)), float(exponent))

    def at(self, items: int) -> float:
        """The quantity for a number of items."""
        return float(self.factor * float(items) ** self.exponent)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What there is to compute with."""

    nodes: int
    cores: int
    gigabits: float

    @property
    def all_cores(self) -> int:
        """Cores of all nodes."""
        return self.nodes * self.cores


@dataclass(frozen=True, slots=True)
class Needed:
    """What a collection takes.

    Attributes
    ----------
    core_hours, hours : float
        Of embedding: in all, and on the cluster.
    network_hours : float
        Of reading the files at the rate of the network, which goes on at the same time.
    read_tb, disk_gb : float
        What is read, and what the index keeps: catalogue and vectors.
    memory_gb : float
        That a search wants for its vectors, in the cache of the system or of the process.
    build_hours : float
        Of building the search structure; of each shard where there are several, side by side.
    single_ms : float
        One search, on one machine or one shard.
    written_hours : float
        Of giving all to Milvus.
    replica_gb, replica_hours : float
        Of each client of Milvus: the size of its replica, and reading it for the first time.
    shards : int
        Nodes that hold the index.
    engine, first : str
        What holds the index, and what becomes the limit first.
    """

    core_hours: float
    hours: float
    network_hours: float
    read_tb: float
    disk_gb: float
    memory_gb: float
    build_hours: float
    single_ms: float
    written_hours: float
    replica_gb: float
    replica_hours: float
    shards: int
    engine: str
    first: str


def bytes_of(items: int, dimension: int) -> float:
    """Bytes of a collection on disk: rows, and each vector in the catalogue and in the mapped file.

    Examples
    --------
    >>> round(bytes_of(117_469, 256) / 1e6)
    167
    """
    return float(items * (ROW_BYTES + 2 * dimension * MAPPED_BYTES))


def needed(items: int, pixels: Pixels, cluster: Cluster, dimension: int = 256) -> Needed:
    """What a number of pictures takes.

    Examples
    --------
    >>> small = needed(10**6, "small", Cluster(1, 2, 1.0))
    >>> small.shards, round(small.core_hours, 1)
    (1, 0.8)
    """
    seconds = items * (1 / IMAGES_PER_CORE_S[pixels] + 1 / OBJECTS_PER_CORE_S)
    hours = seconds / cluster.all_cores / 3600
    read = items * BYTES[pixels]
    network = read * 8 / (cluster.nodes * cluster.gigabits * 1e9) / 3600
    local = items <= LARGEST_LOCAL
    shards = 1 if local else -(-items // SHARD)
    each = -(-items // shards)
    vector = dimension * MAPPED_BYTES
    memory = items * (vector if local else 2 * vector + 350)
    limits = {
        "the network": network,
        "decoding and inference": hours,
        "building the structure": Power.through(BUILD).at(each) / 3600,
        "the one writer of Milvus": 0.0 if local else items / WRITTEN_ITEMS_S / 3600,
        "reading the replica": 0.0 if local else items / REPLICA_ITEMS_S / 3600,
    }
    return Needed(
        core_hours=seconds / 3600,
        hours=max(hours, network),
        network_hours=network,
        read_tb=read / 1e12,
        disk_gb=bytes_of(items, dimension) / 1e9,
        memory_gb=memory / 1e9,
        build_hours=limits["building the structure"],
        single_ms=Power.through(SINGLE_MS).at(each),
        written_hours=limits["the one writer of Milvus"],
        replica_gb=0.0 if local else items * REPLICA_BYTES / 1e9,
        replica_hours=limits["reading the replica"],
        shards=shards,
        engine="one folder" if local else "Milvus",
        first=max(limits, key=lambda name: limits[name]),
    )


def check() -> list[str]:
    """Rows of what the model says beside what was measured."""
    rows = ["| | the model | measured | off by |", "|---|---|---|---|"]
    compared = [
        (f"{items:,} items of length {length} on disk, MB", bytes_of(items, length) / 1e6, measured)
        for (items, length), measured in FILES_MB.items()
    ]
    for of, unit, points in (("building over", "s", BUILD), ("one search among", "ms", SINGLE_MS)):
        drawn = Power.through(points)
        compared += [
            (f"{of} {items:,} items, {unit}", drawn.at(items), measured)
            for items, measured in points.items()
        ]
    for name, told, measured in compared:
        digits = 0 if measured > 1 else 2
        shown = f"{told:,.{digits}f} | {measured:,.{digits}f}"
        rows.append(f"| {name} | {shown} | {told / measured - 1:+.0%} |")
    return rows


def table(pixels: Pixels, cluster: Cluster) -> list[str]:
    """Rows for a million to a billion pictures."""
    lines = [
        "| pictures | core-hours | hours | read, TB | on disk, GB | in memory, GB | build, h "
        "| one search, ms | written in, h | replica of a client, GB | first read in, h | held by "
        "| the limit |",
        "|" + "---|" * 13,
    ]
    for items in (10**6, 10**7, 10**8, 10**9):
        one = needed(items, pixels, cluster)
        holder = one.engine if one.shards == 1 else f"{one.engine}, {one.shards} nodes"
        lines.append(
            f"| {items:,} | {one.core_hours:,.0f} | {one.hours:,.1f} | {one.read_tb:,.2f} "
            f"| {one.disk_gb:,.0f} | {one.memory_gb:,.1f} | {one.build_hours:,.2f} "
            f"| {one.single_ms:,.1f} | {one.written_hours:,.1f} | {one.replica_gb:,.0f} "
            f"| {one.replica_hours:,.1f} "
            f"| {holder} | {one.first} |"
        )
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", choices=["small", "photos"], default=None)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--gigabits", type=float, default=10.0, help="of the network of a node")
    given = parser.parse_args()
    cluster = Cluster(given.nodes, given.cores, given.gigabits)
    kinds: tuple[Pixels, ...] = (given.pixels,) if given.pixels else ("small", "photos")
    for pixels in kinds:
        print(
            f"\nPictures of {BYTES[pixels]:,} bytes; {cluster.nodes} nodes of {cluster.cores} "
            f"cores, {cluster.gigabits:g} Gbit/s each\n"
        )
        print("\n".join(table(pixels, cluster)))
    print()
    print("\n".join(check()))


if __name__ == "__main__":
    main()
