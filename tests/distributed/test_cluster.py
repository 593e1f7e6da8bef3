"""The engine on a real cluster: what dies in the middle costs only its own part."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clr_search.distributed import actor
from clr_search.distributed.embedding import collect, embed_into
from clr_search.distributed.engine import RayEngine, _room
from clr_search.distributed.ledger import FATAL
from clr_search.errors import ClrSearchError
from clr_search.images.isolation import DecodingLimits
from clr_search.index import Index
from clr_search.serve.encoder import Encoder
from tests.distributed.actors import DEATHS, KILLER, CountedActor, MortalActor, told_by
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
                    cluster.remove_node(cluster.other, allow_graceful=False)
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


@pytest.mark.slow
def test_a_picture_that_its_actor_dies_of_costs_itself_alone(
    cluster: Any, tmp_path: Path, own_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "EmbeddingActor", MortalActor)
    photos = write_pictures(tmp_path / "photos", each=16)
    (photos / "green" / KILLER).write_bytes(b"not read by any test")
    seen: Counter[str] = Counter()
    with RayEngine(cluster.address, limits=LIMITS, actors=1) as engine:

        def counted(model: Encoder, paths: Any) -> Any:
            for batch in engine.embed(model, paths):
                seen.update(str(result.path) for result in batch)
                yield batch

        done = embed_into(tmp_path / "embedded", [photos], own_encoder, counted)
        assert (done.embedded, len(seen), set(seen.values())) == (48, 49, {1})
        assert [(e.path.name, e.reason) for e in done.skipped] == [(KILLER, FATAL)]
        # Once with its part, and twice on its own.
        assert (own_encoder.path.parent / DEATHS).read_text().split() == ["green"] * 3
        # It is not tried again as long as it stays as it is.
        again = embed_into(tmp_path / "embedded", [photos], own_encoder, _none_is_left)
    assert (again.embedded, again.unchanged) == (0, 49)


@pytest.fixture
def own_encoder(tiny_encoder: Path, tmp_path: Path) -> Encoder:
    """An encoder in a folder of its own, where actors write down what a test is to know."""
    (tmp_path / "encoder").mkdir()
    return Encoder(shutil.copy(tiny_encoder, tmp_path / "encoder"))


def test_gpus_that_no_machine_has_are_told_of() -> None:
    lost = {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 2.0}}
    with pytest.raises(ClrSearchError, match="No machine of the cluster has a GPU"):
        _room([lost, {"Alive": True, "Resources": {"CPU": 8.0}}], 0.5)


@pytest.mark.slow
def test_actors_share_a_gpu_and_none_falls_back_to_its_processor(
    cluster: Any, own_encoder: Encoder, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "EmbeddingActor", CountedActor)
    paths = sorted(map(str, pictures.rglob("*.*")))
    done = []
    with (
        RayEngine(cluster.address, gpu_share=0.5) as engine,
        pytest.raises(ClrSearchError, match=r"On .*: The device is cuda, but .* has no CUDA") as no,
    ):
        done += list(engine.embed(own_encoder, paths))
    assert done == []
    assert "onnxruntime-gpu" in no.value.remedy
    # As many as have room there began at the same time, with the one GPU between them.
    assert told_by(own_encoder.path.parent) == [f"{cluster.gpu} [0] cuda"] * 2


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
