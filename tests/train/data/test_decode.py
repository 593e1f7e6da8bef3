"""The decoded collection: what is kept, what is left out, in memory and on disk alike."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clr_search.errors import ClrSearchError
from clr_search.files.finding.find import find_images
from clr_search.files.own import OwnFolder
from clr_search.progress import Silent
from clr_search.train.data import batches as batches_module
from clr_search.train.data.batches import batches
from clr_search.train.data.collection import Collection
from clr_search.train.data.decode import decode_collection, remove_cache, typical_side
from clr_search.train.settings.names import Cache

CPU = torch.device("cpu")


@pytest.fixture
def folder(pictures: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pictures, tmp_path / "pictures"))


def decode(folder: Path, cache: Cache, where: Path, side: int = 24) -> Collection:
    """Decodes into the folder `where`, which has the name of the cache, or keeps all in memory."""
    return decode_collection(find_images([folder]), side, cache, where.parent, Silent())


def test_pixels_are_those_of_pillow(folder: Path, tmp_path: Path) -> None:
    found = decode(folder, "memory", tmp_path / "cache")
    files = find_images([folder])
    assert len(found) == len(files) == 36
    for number, file in enumerate(files):
        with Image.open(file.path) as image:
            expected = image.convert("RGB").resize((24, 24), Image.Resampling.BILINEAR)
            assert found.aspects[number].item() == pytest.approx(image.width / image.height)
        pixels = found.take(torch.tensor([number]))[0].permute(0, 2, 1).numpy()
        difference = np.abs(pixels.astype(int) - np.asarray(expected, dtype=int))
        # A JPEG may be decoded at a reduced scale, which filters a little differently.
        assert difference.max() == 0 if file.path.suffix == ".png" else difference.mean() < 4
    assert found.classes == ("blue", "green", "red")
    assert torch.bincount(found.labels).tolist() == [12, 12, 12]


def test_broken_files_are_left_out_and_listed(folder: Path, tmp_path: Path) -> None:
    whole = decode(folder, "memory", tmp_path / "cache")
    (folder / "blue" / "aaa.jpg").write_bytes(b"no picture")
    found = decode(folder, "memory", tmp_path / "cache")
    assert [path.name for path, _ in found.skipped] == ["aaa.jpg"]
    assert "no" in found.skipped[0][1]
    assert len(found) == 36
    every = torch.arange(36)
    assert torch.equal(found.take(every), whole.take(every))
    assert torch.equal(found.labels, whole.labels)
    assert found.fingerprint != whole.fingerprint


def test_file_and_memory_hold_the_same(folder: Path, tmp_path: Path) -> None:
    (folder / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    cache = tmp_path / "cache"
    memory, mapped = (decode(folder, kind, cache) for kind in ("memory", "mmap"))
    again = decode(folder, "mmap", cache)  # from the file
    every = torch.arange(len(memory))
    for other in (mapped, again):
        assert torch.equal(other.take(every), memory.take(every))
        assert torch.equal(other.aspects, memory.aspects)
        assert other.fingerprint == memory.fingerprint
        assert other.skipped == memory.skipped
    remove_cache(OwnFolder(tmp_path))
    assert not cache.exists()


def test_file_is_used_again_only_for_the_same_images(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    decode(folder, "mmap", cache)
    stamp = (cache / "pixels.u8").stat().st_mtime_ns
    decode(folder, "mmap", cache)
    assert (cache / "pixels.u8").stat().st_mtime_ns == stamp
    Image.new("RGB", (50, 40), "red").save(folder / "red" / "red00.jpg")
    found = decode(folder, "mmap", cache)
    assert found.take(torch.tensor([24]))[0, 12, :, 12].tolist() == [254, 0, 0]
    assert len(decode(folder, "mmap", cache, side=20)) == 36  # another size, another file


def test_half_written_file_is_written_again(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    expected = decode(folder, "mmap", cache).take(torch.arange(36))
    pixels = cache / "pixels.u8"
    pixels.write_bytes(pixels.read_bytes()[:1000])
    assert torch.equal(decode(folder, "mmap", cache).take(torch.arange(36)), expected)
    # Killed while decoding: pixels without the facts that are written last.
    (cache / "pixels.json").unlink()
    pixels.write_bytes(bytes(pixels.stat().st_size))
    assert torch.equal(decode(folder, "mmap", cache).take(torch.arange(36)), expected)


def test_the_thread_that_fetches_works_on_the_device_of_the_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU is current in the thread that has set it, and in no other."""
    current: dict[str, torch.device] = {}
    fetched: list[torch.device | None] = []

    def set_device(device: torch.device) -> None:
        current[threading.current_thread().name] = device

    def fetch(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
        fetched.append(current.get(threading.current_thread().name))
        return tensor

    monkeypatch.setattr(torch.cuda, "set_device", set_device)
    monkeypatch.setattr(batches_module, "sent", fetch)
    collection = decode(folder, "memory", tmp_path / "cache")
    device = torch.device("cuda:3")
    assert len(list(batches(collection, torch.arange(36), 8, 32, device))) == 4
    assert fetched == [device] * 4


def test_typical_side_is_a_median_and_survives_broken_files(tmp_path: Path) -> None:
    for number, size in enumerate([(20, 90), (50, 40), (300, 100)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"")
    files = find_images([tmp_path])
    assert typical_side(files) == 40
    assert typical_side([file for file in files if "broken" in file.relative]) is None


@pytest.mark.parametrize("can_reserve", [True, False])
def test_a_disk_too_small_is_refused_before_it_is_mapped(
    can_reserve: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a mapped file that finds no room on the disk kills the process."""

    def full(descriptor: int, offset: int, size: int) -> None:
        number = errno.ENOSPC if can_reserve else errno.EOPNOTSUPP
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ClrSearchError) as caught:
        decode(folder, "mmap", tmp_path / "cache", side=200)
    assert caught.value.exit_code == 1
    assert caught.value.what == (
        f"The decoded pictures need 0.004 GB in {tmp_path / 'cache'}: No space left on device."
    )
    assert caught.value.remedy == "Make room, or choose an --out on another disk."
    assert not any((tmp_path / "cache").iterdir())


def test_without_a_way_to_reserve_the_free_room_is_looked_at(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = decode(folder, "memory", tmp_path).take(torch.arange(36))
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    found = decode(folder, "mmap", tmp_path / "cache").take(torch.arange(36))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("skip", [0, 1, 3, 4])
def test_batches_follow_the_order_and_drop_the_rest(
    skip: int, folder: Path, tmp_path: Path
) -> None:
    collection = decode(folder, "memory", tmp_path / "cache")
    order = torch.randperm(36, generator=torch.Generator().manual_seed(0))
    found = list(batches(collection, order, 8, 32, CPU, skip))
    assert len(found) == 4 - skip
    for number, batch in enumerate(found, start=skip):
        wanted = order[8 * number : 8 * number + 8]
        assert torch.equal(batch.indices, wanted)
        assert torch.equal(batch.pixels, collection.take(wanted))
        assert torch.equal(batch.aspects, collection.aspects[wanted])
        assert torch.equal(batch.labels, collection.labels[wanted])
