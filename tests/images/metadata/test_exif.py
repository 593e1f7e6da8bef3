"""The EXIF of picture files."""

from __future__ import annotations

import io
import random
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from clr_search.images.metadata.exif import MAX_TEXT, NONE, Exif, read_exif


def written(path: Path, **values: object) -> Path:
    """Write a picture with EXIF: camera, taken, place (a dict of GPS tags)."""
    exif = Image.Exif()
    if "camera" in values:
        exif[272] = values["camera"]
    if "taken" in values:
        exif.get_ifd(34665)[36867] = values["taken"]
    if "place" in values:
        exif.get_ifd(34853).update(values["place"])  # type: ignore[call-overload]
    Image.new("RGB", (32, 24), (90, 120, 40)).save(path, exif=exif.tobytes())
    return path


PLACE = {1: "S", 2: (33.0, 51.0, 30.0), 3: "E", 4: (151.0, 12.0, 36.0)}


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_camera_date_and_place_are_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    written(path, camera="X100", taken="2024:05:01 12:30:00", place=PLACE)
    found = read_exif(path)
    assert found.camera == "X100"
    assert found.taken == datetime(2024, 5, 1, 12, 30)
    assert found.latitude == pytest.approx(-33.858333)
    assert found.longitude == pytest.approx(151.21)


@pytest.mark.parametrize("order", ["<", ">"])
def test_avif_and_both_orders_of_bytes(tmp_path: Path, order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[272] = "X100"
    path = tmp_path / "a.avif"
    try:
        Image.new("RGB", (32, 24)).save(path, exif=exif.tobytes())
    except (KeyError, OSError, ValueError):
        path = tmp_path / "a.jpg"
        Image.new("RGB", (32, 24)).save(path, exif=exif.tobytes())
    assert read_exif(path) == Exif(camera="X100")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"taken": "0000:00:00 00:00:00"}, NONE),
        ({"taken": "2024:13:01 12:00:00"}, NONE),
        ({"taken": "yesterday"}, NONE),
        ({"camera": "  X\n100\x1b[31m "}, Exif(camera="X 100 [31m")),
        ({"camera": "\0\0"}, NONE),
        ({"camera": "A" * 60_000}, Exif(camera="A" * MAX_TEXT)),
        ({"place": PLACE | {2: (91.0, 0.0, 0.0)}}, NONE),
        ({"place": PLACE | {1: "Q"}}, NONE),
        ({"place": {1: "N", 2: (1.0, 2.0, 3.0)}}, NONE),
    ],
)
def test_what_is_wrong_is_not_there(
    tmp_path: Path, values: dict[str, object], expected: Exif
) -> None:
    assert read_exif(written(tmp_path / "a.jpg", **values)) == expected


def test_a_picture_without_exif(tmp_path: Path) -> None:
    for ending in ("jpg", "png", "gif", "bmp", "webp", "tif"):
        assert read_exif(written(tmp_path / f"a.{ending}")) == NONE
    (tmp_path / "a.txt").write_text("no picture")
    (tmp_path / "empty").touch()
    assert read_exif(tmp_path / "a.txt") == read_exif(tmp_path / "empty") == NONE
    with pytest.raises(OSError, match="No such file"):
        read_exif(tmp_path / "none")


def test_damaged_files_cost_nothing(tmp_path: Path) -> None:
    """Any byte changed, and cut off anywhere: no error, and few bytes are read."""
    random_bytes = random.Random(0)
    for ending in ("jpg", "png", "webp", "tif"):
        path = written(
            tmp_path / f"a.{ending}", camera="X100", taken="2024:05:01 12:30:00", place=PLACE
        )
        whole = path.read_bytes()
        for _ in range(400):
            data = bytearray(whole)
            for _ in range(random_bytes.randint(1, 8)):
                data[random_bytes.randrange(min(len(data), 600))] = random_bytes.randrange(256)
            path.write_bytes(data[: random_bytes.randint(1, len(data))])
            found = read_exif(path)
            assert len(found.camera or "") <= MAX_TEXT
            assert found.latitude is None or -90 <= found.latitude <= 90


def test_directories_in_a_circle_end(tmp_path: Path) -> None:
    block = bytearray(b"II*\0\x08\0\0\0\x02\0")
    for tag in (34665, 34853):
        block += tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + (8).to_bytes(4, "little")
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=b"Exif\0\0" + bytes(block))
    (tmp_path / "a.jpg").write_bytes(file.getvalue())
    assert read_exif(tmp_path / "a.jpg") == NONE
