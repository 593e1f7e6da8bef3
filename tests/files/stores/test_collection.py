"""Collections of objects in a real S3 server: built, searched, and kept up to date."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.seaweed import BUCKET, LIMITED, OWNER, Seaweed
from clr_search import images
from clr_search.cli.main import main
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.stores import opening
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.failures import StoreError
from clr_search.images.isolation import DecodingLimits
from clr_search.index import Index, Query
from clr_search.progress import Silent
from clr_search.server.routes import Service
from tests.server.conftest import serving


def picture(seed: int, side: int = 40, form: str = "PNG", **options: object) -> bytes:
    """A file with noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


@pytest.fixture
def built(
    store: Seaweed, prefix: str, root: str, pictures: Path, tiny_encoder: Path, tmp_path: Path
) -> Path:
    """A collection of the 36 pictures of the tests, of which the store has copies."""
    store.put_folder(prefix, pictures)
    path = tmp_path / "objects.clr"
    with Index.create(path, tiny_encoder) as index:
        report = index.update([root])
    assert report.added == 36
    return path


def test_it_is_the_collection_that_the_same_files_on_disk_make(
    built, root, pictures, tiny_encoder, tmp_path
):
    with Index.create(tmp_path / "files.clr", tiny_encoder) as of_files, Index.open(built) as index:
        of_files.update([pictures])
        ours, theirs = index.embeddings(), of_files.embeddings()
        assert [str(path) for path in ours.paths] == [
            f"{root}/{path.relative_to(pictures).as_posix()}" for path in theirs.paths
        ]
        assert ours.labels == theirs.labels
        np.testing.assert_array_equal(ours.vectors, theirs.vectors)
        assert index.contents() == of_files.contents()
        assert index.sources() == [ObjectPath(root)]
        assert index.missing() == 0


def test_what_has_not_changed_is_not_read(built, root, monkeypatch):
    def refuse(*_: object) -> None:
        pytest.fail("an object was read")

    monkeypatch.setattr("clr_search.files.stores.reading._part", refuse)
    with Index.open(built, writable=True) as index:
        report = index.update([root])
    assert (report.unchanged, report.added, report.changed) == (36, 0, 0)


def test_changed_moved_deleted_and_new_objects(built, store, root, prefix):
    keys = sorted(k for k in _keys(store, prefix))
    with Index.open(built, writable=True) as index:
        number = index.id_at(f"s3://{BUCKET}/{keys[1]}")
        moved = _object(store, keys[1])
        store.put({
            keys[0]: picture(1),
            f"{prefix}/elsewhere/moved.png": moved,
            f"{prefix}/elsewhere/copy.png": _object(store, keys[5]),
            f"{prefix}/new/1.png": picture(2),
        })  # fmt: skip
        store.delete(keys[1:4])
        report = index.update([root])
        counts = (report.added, report.changed, report.moved, report.removed, report.unchanged)
        assert counts == (2, 1, 1, 2, 32)
        assert str(index.item(number).path) == f"{root}/elsewhere/moved.png"
        assert index.item(number).label == "elsewhere"
        again = index.update([root])
        assert again.unchanged == 36


def test_the_same_content_stored_anew_is_read_and_not_embedded(built, store, root, prefix):
    key = _keys(store, prefix)[0]
    with Index.open(built, writable=True) as index:
        path = f"s3://{BUCKET}/{key}"
        with index._catalog.writing():  # as if it had been stored at another time
            index._catalog.touch(index.id_at(path), 5)
        index._encoder = None
        report = index.update([root])
        assert (report.unchanged, report.changed) == (36, 0)
        assert index.item(index.id_at(path)).mtime_ns == ObjectPath(path).stat().st_mtime_ns


def test_another_content_of_the_same_size_in_the_same_second_is_seen(
    store, root, prefix, tiny_encoder, tmp_path
):
    first, second = (picture(seed, form="BMP") for seed in (1, 2))
    assert len(first) == len(second)
    store.put({f"{prefix}/a.bmp": first})
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        index.update([root])
        store.put({f"{prefix}/a.bmp": second})
        assert index.update([root]).changed == 1


def test_objects_that_cannot_be_read_are_skipped_with_their_reasons(
    store, prefix, tiny_encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr("clr_search.images.decoding.MAX_BYTES", 50_000)
    monkeypatch.setattr("clr_search.images.MAX_BYTES", 50_000)
    name = f"open-{prefix}"
    store.put({
        f"{name}/good.png": picture(1),
        f"{name}/large.png": picture(2, side=200),
        f"{name}/broken.png": b"no picture at all",
        f"{name}/empty.png": b"",
        f"{name}/notes.txt": b"text",
        f"{name}/.hidden/x.png": picture(3),
        f"{name}/@eaDir/x.png": picture(4),
        f"{prefix}/closed.png": picture(5),
    })  # fmt: skip
    for key, value in store.environment(LIMITED).items():
        monkeypatch.setenv(key, value)
    roots = [f"s3://{BUCKET}/{name}", f"s3://{BUCKET}/{prefix}"]
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        report = index.update(roots)
        assert report.added == 1
        reasons = {entry.path.name: entry.reason for entry in report.skipped}
        assert reasons.keys() == {"large.png", "broken.png", "empty.png", "closed.png"}
        assert reasons["closed.png"] == "permission denied"
        assert "more than the limit of 50,000" in reasons["large.png"]
        assert {Path(path).parent.name: why for path, why in report.left_out} == {
            ".hidden": "hidden: its name begins with a dot",
            "@eaDir": "excluded",
        }
        for key, value in store.environment().items():  # the permission comes later
            monkeypatch.setenv(key, value)
        report = index.update(roots)
        assert report.added == 1
        assert {entry.path.name for entry in report.skipped} == reasons.keys() - {"closed.png"}


def test_an_item_stays_while_its_object_is_forbidden(built, store, root, prefix, monkeypatch):
    store.put({_keys(store, prefix)[0]: picture(9)})
    for key, value in store.environment(LIMITED).items():
        monkeypatch.setenv(key, value)
    with Index.open(built, writable=True) as index:
        report = index.update([root])
        assert (report.unchanged, report.removed, len(report.skipped)) == (35, 0, 1)
        assert len(index) == 36
        assert index.missing() == 0


def test_an_object_that_vanishes_after_the_list_is_skipped(
    store, root, prefix, tiny_encoder, tmp_path, monkeypatch
):
    store.put({f"{prefix}/{n}.png": picture(n) for n in range(3)})
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        monkeypatch.setattr(
            "clr_search.index.sync.update.Update._apply",
            lambda self, plan: store.delete([f"{prefix}/1.png"]),
        )
        report = index.update([root])
    assert report.added == 2
    assert [(str(e.path), e.reason) for e in report.skipped] == [
        (f"{root}/1.png", "the file does not exist")
    ]


def test_keys_of_all_kinds(store, root, prefix, tiny_encoder, tmp_path):
    deep = "/".join(["d" * 99] * 11)
    names = [
        "a b/ c .png", "ü/é e\u0301.png", "100%.png", "a%20b.png", "#?&=+;@$.png", "co:lon.png",
        "*~|^`{}<>'\".png", "🌷.PNG", f"{deep[: 1024 - len(prefix) - 5]}.png", "trailing/",
    ]  # fmt: skip
    store.put({f"{prefix}/{name}": picture(n) for n, name in enumerate(names)})
    assert max(len(f"{prefix}/{name}".encode()) for name in names) == 1024
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        report = index.update([root])
        assert report.skipped == ()
        assert {str(path) for path in index.embeddings().paths} == {
            f"{root}/{name}" for name in names if name != "trailing/"
        }
        assert index.update([root]).unchanged == 9
        for path in index.embeddings().paths:
            assert path.is_file()
            assert index.search(path, k=3)
            assert index.item(index.id_at(path)).path == path


def test_a_key_that_is_no_path_is_skipped_and_stops_nothing(
    store, root, prefix, tiny_encoder, tmp_path
):
    store.put({f"{prefix}/{name}": picture(1) for name in ("a.png", "b\n.png", "c.png", "d\t.txt")})
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        for _ in range(2):
            report = index.update([root])
            [entry] = report.skipped
            assert entry.path.name == "b\n.png"
            assert "rename it" in entry.reason
        assert len(index) == 2


def test_single_objects_and_prefixes_that_begin_alike(store, root, prefix, tiny_encoder, tmp_path):
    store.put({f"{prefix}/{name}": picture(1) for name in ("a/1.png", "ab/1.png", "a.dat")})
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        index.update([f"{root}/a/", f"{root}/a.dat"])
        assert {str(p) for p in index.embeddings().paths} == {f"{root}/a/1.png", f"{root}/a.dat"}
        index.add([root])  # the folders above them take them over
        assert len(index) == 3
        assert index.update([root]).unchanged == 3
        assert index.remove([f"{root}/a"]) == 1


def test_pictures_of_any_name(store, root, prefix, tiny_encoder, tmp_path):
    store.put({f"{prefix}/a": picture(1), f"{prefix}/b.dat": b"\x89no", f"{prefix}/c.dat": b""})
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        index.select(any_name=True)
        index.update([root])
        assert [path.name for path in index.embeddings().paths] == ["a"]


def test_untrusted_objects_are_decoded_in_worker_processes(
    store, root, prefix, tiny_encoder, tmp_path
):
    store.put({f"{prefix}/{n}.png": picture(n) for n in range(20)} | {f"{prefix}/x.png": b"x"})
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        report = index.update([root], isolation=DecodingLimits(), workers=2)
    assert (report.added, len(report.skipped)) == (20, 1)


def test_dates_and_cameras_come_with_the_bytes(store, root, prefix, tiny_encoder, tmp_path):
    exif = Image.Exif()
    exif[272], exif[0x8769] = "Camera 3", {36867: "2024:05:01 12:30:00"}
    store.put({f"{prefix}/a.jpg": picture(1, form="JPEG", exif=exif)})
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        index.update([root])
        [number] = index.ids(where="camera = 'Camera 3' and taken < '2024-06-01'")
        index._catalog.database.rows("DELETE FROM exif")  # as an older release leaves it
        index.update([root])
        assert index.ids(where="camera = 'Camera 3'") == [number]


class _KillingReporter(Silent):
    """Kills the server when so many pictures are done."""

    def __init__(self, store: Seaweed, after: int) -> None:
        self._store, self._left = store, after

    def advance(self, count: int = 1, text: str = "") -> None:
        self._left -= count
        if self._left <= 0:
            self._store.kill()


def test_a_store_that_dies_in_the_middle_keeps_what_is_done_and_the_next_run_goes_on(
    built, clean, prefix, root, tiny_encoder, tmp_path, monkeypatch
):
    folder = tmp_path / "dying"
    folder.mkdir()
    dying = Seaweed(folder)
    dying.start()
    for name, value in dying.environment().items():
        monkeypatch.setenv(name, value)
    count = 250  # many more than are read ahead
    dying.put({f"{prefix}/{n:04d}.png": picture(n, side=8) for n in range(count)})
    path = tmp_path / "a.clr"
    try:
        with Index.create(path, tiny_encoder) as index:
            with pytest.raises(ClrSearchError, match="does not answer") as caught:
                index.update([root], reporter=_KillingReporter(dying, 40), batch_size=10)
            done = len(index)
            assert 40 <= done < count
            assert f"{done:,} of {count:,} images are done and kept" in str(caught.value)
            with pytest.raises(ClrSearchError, match="does not answer"):
                index.update([root])  # nothing leaves because it cannot be listed
            assert len(index) == done
            assert index.missing() == 0
            assert (
                index.search(Query(ids=(index.ids()[0],)), k=5).with_missing()[0].missing is False
            )
            dying.start()
            report = index.update([root])
            assert (report.added, report.unchanged) == (count - done, done)
    finally:
        dying.kill()


def test_a_prefix_that_was_moved_is_told_and_nothing_is_read(
    built, store, root, prefix, pictures, run_command
):
    store.put_folder(f"{prefix}-moved", pictures)
    store.delete(_keys(store, prefix))
    run_command("relocate", str(built), root, f"{root}-moved")
    with Index.open(built, writable=True) as index:
        assert index.missing() == 0
        assert index.update([f"{root}-moved"]).unchanged == 36


def test_an_emptied_prefix_and_a_wrong_one_remove_nothing(built, store, root, prefix):
    store.delete(_keys(store, prefix))
    with Index.open(built, writable=True) as index:
        with pytest.raises(UsageError, match=r"no images at all, but 36.*is it the right prefix"):
            index.update([root])
        with pytest.raises(UsageError, match="No images found in"):
            index.update([f"{root}-other"])
        assert len(index) == 36
        assert index.missing() == 36


def test_a_rebuild_reads_all_objects_again(built, store, root, prefix, tmp_path):
    from tests.tiny import write_tiny_encoder

    other = write_tiny_encoder(tmp_path / "other.onnx", seed=5)
    store.delete(_keys(store, prefix)[:1])
    with Index.open(built, writable=True) as index:
        report = index.rebuild(other)
        assert (report.changed, report.removed) == (35, 1)


def test_search_by_item_by_object_and_by_picture(built, store, root, prefix, pictures):
    with Index.open(built) as index:
        path = index.embeddings().paths[3]
        number = index.id_at(path)
        by_item, by_object = index.search(number, k=5), index.search(path, k=5)
        assert by_item.ids.tolist() == by_object.ids.tolist()
        assert number not in by_item.ids
        local = pictures / path.relative_to(ObjectPath(root))
        assert index.search(local, k=5).same == (path,)
        assert set(index.search(number, k=50, under="red").paths) == set(
            index.search(number, k=50, under=f"{root}/red/").paths
        )
        store.delete([by_item[0].path.key])
        assert [m.missing for m in by_item.with_missing()] == [True, False, False, False, False]
        with pytest.raises(ClrSearchError, match=re.escape(f"{root}/no.png cannot be searched")):
            index.search(ObjectPath(f"{root}/no.png"))


def test_the_service_draws_thumbnails_of_items_and_fetches_no_address_of_a_request(
    built, store, root
):
    httpx = pytest.importorskip("httpx")
    secret = picture(77)
    store.put({"outside/secret.png": secret})
    with (
        Index.open(built) as index,
        serving(Service(index)) as address,
        httpx.Client(base_url=address) as http,
    ):
        [number] = index.ids()[:1]
        answer = http.get(f"/v1/items/{number}/thumbnail")
        assert answer.status_code == 200
        assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
        item = http.get(f"/v1/items/{number}").json()
        assert (item["missing"], item["path"]) == (False, str(index.item(number).path))
        outside = f"s3://{BUCKET}/outside/secret.png"
        for body in ({"image": outside}, {"path": outside}, {"picture": outside}):
            assert http.post("/v1/search", json=body).status_code == 422
        store.delete([index.item(number).path.key])
        assert http.get(f"/v1/items/{number}/thumbnail").status_code == 404
        assert http.get(f"/v1/items/{number}").json()["missing"] is True


def test_the_page_shows_objects_and_hands_them_out(built, store, monkeypatch, tmp_path):
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("gradio")
    from clr_search.app.access import Access
    from clr_search.app.main import serving as app_serving

    monkeypatch.setenv("CLR_SEARCH_CACHE", str(tmp_path / "cache"))
    with Index.open(built) as index:
        [number] = index.ids()[:1]
        path = index.item(number).path
    with (
        app_serving(built, access=Access(originals=True)) as address,
        httpx.Client(base_url=address) as http,
    ):
        for kind in ("thumb", "picture"):
            answer = http.get(f"/clr/{kind}/{number}")
            assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
        assert http.get(f"/clr/original/{number}").content == path.read_bytes()
        store.delete([path.key])
        assert http.get(f"/clr/original/{number}").status_code == 404


def test_the_command_line(built, store, root, prefix, run_command, tmp_path):
    def run(*words: object) -> str:
        return run_command(*map(str, words))

    collection = tmp_path / "cli.clr"
    assert "36 added" in run("build-index", root, "--index", collection)
    assert "36 unchanged" in run("build-index", "--index", collection)
    store.put({f"{prefix}/new.png": picture(3)})
    assert json.loads(run("add", collection, f"{root}/new.png", "--json"))["added"] == 1
    assert root in run("info", collection)
    assert f"{root}/" in run("search", collection, f"{root}/new.png", "-k", "3")
    run("export-vectors", collection, "--out", tmp_path / "v.parquet")
    copied = tmp_path / "copied.clr"
    assert "37 added" in run("build-index", "--vectors", tmp_path / "v.parquet", "--index", copied)
    assert root in run("info", copied)
    assert "copies" in run("duplicates", collection)
    assert "Removed 1 image" in run("remove", collection, f"{root}/new.png")
    held = b"".join(p.read_bytes() for p in collection.rglob("*") if p.is_file())
    assert not any(secret.encode() in held for secret in OWNER)


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str]):
    def run(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        shown = capsys.readouterr()
        assert ended.value.code == code, shown
        return shown.err if code else shown.out

    return run


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://nothing-here/a", "There is no bucket nothing-here."),
        (f"s3://{BUCKET}/nothing", f"No images found in s3://{BUCKET}/nothing."),
        ("s3://key:hunter2@bucket/a", "names no bucket after it."),
    ],
)
def test_wrong_addresses_on_the_command_line(store, run_command, tmp_path, address, said):
    collection = tmp_path / "a.clr"
    shown = run_command("build-index", address, "--index", str(collection), code=2)
    assert said in shown
    assert "hunter2" not in shown
    assert not collection.exists()


def test_a_missing_extra_is_named(clean, run_command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    shown = run_command("build-index", "s3://photos/a", "--index", str(tmp_path / "a.clr"), code=2)
    assert "pip install 'clr-search[stores]'" in shown


def test_without_the_extra_a_collection_is_searched_all_the_same(built, monkeypatch):
    opening._opened.cache_clear()
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with Index.open(built) as index:
        [number] = index.ids()[:1]
        found = index.search(number, k=5).with_missing()
        assert [match.missing for match in found] == [False] * 5
        assert index.missing() == 0
        with pytest.raises(StoreError, match="This needs obstore, which is not installed"):
            images.read(found[0].path)
    opening._opened.cache_clear()


def _keys(store: Seaweed, prefix: str) -> list[str]:
    told = store.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")
    return [entry["Key"] for entry in told.get("Contents", ())]


def _object(store: Seaweed, key: str) -> bytes:
    data: bytes = store.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data
