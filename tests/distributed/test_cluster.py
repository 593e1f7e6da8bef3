"""The engine on a real cluster: what dies in the middle costs only its own part."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clr_search.distributed.embedding import collect, embed_into
from clr_search.distributed.engine import RayEngine
from clr_search.images.isolation import DecodingLimits
from clr_search.index import Index
from clr_search.serve.encoder import Encoder
from tests.distributed.conftest import actors_of
from tests.tiny import write_pictures

LIMITS = DecodingLimits(memory=100e6)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes of actors in /proc")
def test_a_dead_actor_a_dead_node_and_poisoned_pictures_lose_nothing(
    cluster: Any, tmp_path: Path, tiny_encoder: Path
) -> None:
    photos = write_pictures(tmp_path / "photos", each=170)
    poisons = _poison(photos)
    encoder = Encoder(tiny_encoder)
    seen: Counter[str] = Counter()
    lost: list[str] = []
    with RayEngine(cluster.address, limits=LIMITS) as engine:

        def watched(model: Encoder, paths: Any) -> Any:
            """Kills an actor when a quarter is done, and a node when half is."""
            for batch in engine.embed(model, paths):
                seen.update(str(result.path) for result in batch)
                if len(seen) > len(paths) / 4 and not lost:
                    os.kill(actors_of(cluster)[0], signal.SIGKILL)
                    lost.append("actor")
                elif len(seen) > len(paths) / 2 and len(lost) == 1:
                    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
                    lost.append("node")
                yield batch

        done = embed_into(tmp_path / "embedded", [photos], encoder, watched)
    assert lost == ["actor", "node"]
    assert set(seen.values()) == {1}
    assert (done.embedded, len(seen)) == (510, 510 + len(poisons))
    reasons = {entry.path.name: entry.reason.partition(":")[0] for entry in done.skipped}
    assert reasons == poisons
    collect(tmp_path / "embedded", tmp_path / "ours.clr")
    with Index.create(tmp_path / "theirs.clr", tiny_encoder) as theirs:
        theirs.update([photos], isolation=LIMITS)
        with Index.open(tmp_path / "ours.clr", writable=True) as ours:
            assert ours.update([photos], embed=_none_is_left).unchanged == 510
            _are_alike(ours, theirs)


def _none_is_left(_: object, paths: Any) -> Any:
    assert [Path(path).name for path in paths] == [], "it was embedded already"
    yield from ()


def _are_alike(ours: Index, theirs: Index) -> None:
    """The same items with the same vectors, in whatever order they came."""
    mine, other = ours.embeddings(), theirs.embeddings()
    order, expected = (
        np.argsort(list(map(str, mine.paths))),
        np.argsort(list(map(str, other.paths))),
    )
    assert [mine.paths[n] for n in order] == [other.paths[n] for n in expected]
    assert [mine.labels[n] for n in order] == [other.labels[n] for n in expected]
    np.testing.assert_allclose(mine.vectors[order], other.vectors[expected], atol=2e-3)
    assert Counter(ours.contents().values()) == Counter(theirs.contents().values())


def _poison(folder: Path) -> dict[str, str]:
    """Pictures that cannot be had, with the reasons: no picture, cut off, and one beyond memory."""
    (folder / "red" / "broken.png").write_bytes(b"no picture at all")
    (folder / "blue" / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (8000, 8000)).save(folder / "green" / "bomb.png")
    return {
        "broken.png": "not a picture",
        "empty.jpg": "the file is empty",
        "bomb.png": "decoding it takes more memory than a picture of its size may",
    }
