"""What is in a site, what is not, and what it may take the place of."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.disk import DiskError
from clr_search.files.write import sha256_file
from clr_search.importing.door import import_encoder
from clr_search.importing.recipe import Recipe
from clr_search.index import Filter, Index
from clr_search.site import Options, export_site, runtime, thumbnails
from clr_search.site.vectors import unpack
from tests.importing.made import network
from tests.site.conftest import NODE, Export

SECRET = "Taken by me at 52.5163 N"


def told(site: Path) -> dict:  # type: ignore[type-arg]
    return dict(json.loads((site / "site.json").read_text()))


def test_everything_is_there_and_belongs_together(export: Export, collection: Path) -> None:
    site = export()
    facts = told(site)
    names = json.loads((site / "items.json").read_text())
    assert (facts["title"], facts["count"], len(names)) == ("Colours", 36, 36)
    assert sha256_file(site / "encoder.onnx") == facts["encoder"]["sha256"]
    assert sha256_file(site / "encoder.onnx") == sha256_file(collection / "encoder.onnx")
    assert (
        json.loads((site / "golden.json").read_text())["model_sha256"]
        == (facts["encoder"]["sha256"])
    )
    for file in facts["files"].values():
        if not file["url"].startswith("https:"):
            data = (site / file["url"].split("?")[0]).read_bytes()
            digest = base64.b64encode(hashlib.sha384(data).digest()).decode()
            assert (len(data), f"sha384-{digest}") == (file["bytes"], file["integrity"])
    with Index.open(collection) as index:
        ids, rows = index.vectors()
        items = index.items(ids.tolist())
    assert names == [item.path.name for item in items]
    packed = unpack((site / "vectors.bin").read_bytes(), 36)
    assert (packed * rows).sum(axis=1).min() > 0.999
    for number, item in enumerate(items):
        with Image.open(site / thumbnails.address(number)) as small, Image.open(item.path) as large:
            assert small.size == large.size  # never enlarged
            difference = np.subtract(small.convert("RGB"), large.convert("RGB"), dtype=float)
        assert np.abs(difference).mean() < 25  # noise survives JPEG; that of another is 34 off


def test_nothing_tells_where_or_by_whom_pictures_were_taken(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "home-of-somebody" / "photos" / "divorce"
    folder.mkdir(parents=True)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8))
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = SECRET
    picture.save(folder / "a.jpg", exif=exif, comment=SECRET.encode(), icc_profile=SECRET.encode())
    text = PngInfo()
    text.add_text("Author", SECRET)
    picture.rotate(90).save(folder / "b.png", pnginfo=text, exif=exif)
    with Index.create(tmp_path / "p.clr", tiny_encoder) as index:
        index.update([folder.parent])
        export_site(index, tmp_path / "bare", Options(title="t"))
        export_site(index, tmp_path / "paths", Options(title="t", paths=True))
    for site, hidden in (("bare", [b"divorce"]), ("paths", [])):
        for path in filter(Path.is_file, (tmp_path / site).rglob("*")):
            data = path.read_bytes()
            for word in (SECRET.encode(), b"Exif", b"ICC_PROFILE", b"home-of-somebody", *hidden):
                assert word not in data, f"{path} holds {word!r}"
    assert json.loads((tmp_path / "paths" / "items.json").read_text()) == [
        "divorce/a.jpg",
        "divorce/b.png",
    ]


def test_some_of_the_pictures(export: Export) -> None:
    names = json.loads((export(where=Filter(label="red")) / "items.json").read_text())
    assert {name[:3] for name in names} == {"red"}
    names = json.loads((export(most=5) / "items.json").read_text())
    assert len(names) == 5
    assert {name[:3] for name in names} == {"red", "gre", "blu"}
    with pytest.raises(UsageError, match="No pictures"):
        export(where=Filter(label="mauve"))


def test_pictures_that_have_vanished_are_left_out(tiny_encoder: Path, tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (40, 40), (80 * number, 9, 200)).save(tmp_path / f"{number}.png")
    with Index.create(tmp_path / "p.clr", tiny_encoder) as index:
        index.update([tmp_path])
        rows = index.vectors()[1]
        (tmp_path / "1.png").unlink()
        written = export_site(index, tmp_path / "out" / "site", Options(title="t"))
        assert (written.pictures, written.left_out) == (2, 1)
        site = tmp_path / "out" / "site"
        assert json.loads((site / "items.json").read_text()) == ["0.png", "2.png"]
        packed = unpack((site / "vectors.bin").read_bytes(), 2)
        assert np.allclose(packed, rows[[0, 2]], atol=0.02)
        for number in (0, 2):
            (tmp_path / f"{number}.png").unlink()
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ClrSearchError, match="None of the 3 pictures"):
            export_site(index, site, Options(title="t"))
        assert sorted(tmp_path.rglob("*")) == before


def test_a_geometry_that_the_page_cannot_make_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (80, 9, 200)).save(tmp_path / "1.png")
    import_encoder(network(tmp_path / "net.onnx"), tmp_path / "e.onnx", asked=Recipe(fit="pad"))
    with Index.create(tmp_path / "p.clr", tmp_path / "e.onnx") as index:
        index.update([tmp_path / "1.png"])
        with pytest.raises(UsageError, match="sees pictures as pad by bilinear"):
            export_site(index, tmp_path / "site", Options(title="t"))
    assert not (tmp_path / "site").exists()


def test_an_older_site_is_replaced_and_nothing_else(export: Export) -> None:
    site = export()
    assert told(export(title="Newer"))["title"] == "Newer"
    (site / "CNAME").write_text("example.org")
    with pytest.raises(UsageError, match="exists already, and holds CNAME"):
        export()
    assert (site / "CNAME").exists()
    (site / "site.json").write_text("{}")
    (site / "CNAME").unlink()
    with pytest.raises(UsageError, match="is no site of clr-search"):
        export()
    other = site.with_name("file")
    other.touch()
    with pytest.raises(UsageError, match="is a file"):
        export(other, force=True)
    (empty := site.with_name("empty")).mkdir()
    assert told(export(empty))["count"] == 36
    assert sorted(path.name for path in site.parent.iterdir()) == ["empty", "file", "site"]


def test_by_force_what_is_no_site_is_moved_aside_and_not_deleted(export: Export) -> None:
    site = export()
    for number, name in enumerate(["CNAME", "thumbnails/0/mine.jpg", "runtime/notes.txt"], 1):
        mine = site / name
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text("mine")
        with pytest.raises(UsageError, match=f"holds {name}"):
            export()
        assert told(export(force=True))["count"] == 36
        assert not mine.exists()
        assert (site.with_name(f"site.{number}") / name).read_text() == "mine"


def test_pictures_and_the_collection_are_never_overwritten(
    export: Export, collection: Path, pictures: Path
) -> None:
    for precious in (collection, pictures, collection.parent):
        with pytest.raises(UsageError, match="would take the place of"):
            export(precious, force=True)
    with pytest.raises(UsageError, match="lies in the collection"):
        export(collection / "site", force=True)
    assert (collection / "catalog.sqlite").exists()


def test_an_export_that_fails_leaves_the_old_site(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = export()
    before = {path: path.stat().st_mtime_ns for path in site.parent.rglob("*")}

    def full(*arguments: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clr_search.site.vectors.pack", full)
    with pytest.raises(DiskError, match=rf"{site.name} cannot be written: No space"):
        export(title="Newer")
    assert {path: path.stat().st_mtime_ns for path in site.parent.rglob("*")} == before


def test_a_collection_without_its_encoder_is_refused(collection: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(collection, tmp_path / "copy.clr")
    (copy / "encoder.onnx").write_bytes((copy / "encoder.onnx").read_bytes()[:-1])
    with Index.open(copy) as index, pytest.raises(ClrSearchError, match=r"encoder\.onnx has been"):
        export_site(index, tmp_path / "site", Options(title="t"))
    assert list(tmp_path.iterdir()) == [copy]


def test_titles_and_names_are_text(export: Export) -> None:
    page = (export(title="<script>@SCRIPTS@ \udcff") / "index.html").read_text()
    assert page.count("<script") == 1
    assert "&lt;script&gt;@SCRIPTS@ ?" in page


def test_what_the_page_may_load(export: Export, tmp_path: Path) -> None:
    for name in (runtime.SCRIPT, runtime.BINARY):
        (tmp_path / name).write_bytes(name.encode())
    local = (export(runtime=tmp_path) / "index.html").read_text()
    assert not re.search(r"https?://(?!127\.0\.0\.1)", local)
    assert "script-src 'self' 'wasm-unsafe-eval';" in local
    site = export()
    page = (site / "index.html").read_text()
    assert "script-src 'self' 'wasm-unsafe-eval' blob:;" in page
    assert f"connect-src 'self' {runtime.CDN};" in page
    assert not (site / "runtime").exists()


def test_the_pinned_runtime_is_the_tested_one() -> None:
    lock = json.loads((NODE / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/onnxruntime-web"]["version"] == runtime.VERSION


def test_the_pinned_checksums_are_of_the_package(runtime_folder: Path) -> None:
    copy = runtime.find(runtime_folder)
    assert copy.version == runtime.VERSION
    for path, pinned in zip((copy.script, copy.binary), runtime.PINNED, strict=True):
        digest = base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()
        assert (path.name, path.stat().st_size, digest) == (
            pinned.name,
            pinned.size,
            pinned.sha384,
        )


def test_a_folder_without_the_runtime(export: Export, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no onnxruntime-web") as caught:
        export(runtime=tmp_path)
    assert "npm install" in caught.value.remedy
    assert not (tmp_path / "site").exists()
