from __future__ import annotations

import os

import pytest

from bench.seaweed import BUCKET, LIMITED, OWNER, Seaweed
from clr_search import images
from clr_search.errors import ImageError
from clr_search.files.stores import reading
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.ahead import ReadAhead
from clr_search.files.stores.failures import StoreError
from clr_search.files.stores.listing import listed
from clr_search.files.stores.reading import FIRST, PART
from clr_search.files.write import sha256_bytes, sha256_file

SIZES = [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + 2 * PART + 7]


@pytest.fixture
def objects(store: Seaweed, prefix: str) -> dict[ObjectPath, bytes]:
    """Objects of sizes around the bounds of requests."""
    data = {f"{prefix}/{size}.bin": os.urandom(size) for size in SIZES}
    store.put(data)
    return {ObjectPath(f"s3://{BUCKET}/{key}"): content for key, content in data.items()}


def test_objects_of_all_sizes_are_read_whole_also_ahead_and_as_files(objects):
    ahead = ReadAhead(images.MAX_BYTES)
    ahead.expect(objects)
    for path, content in objects.items():
        data, status = images.read(path)
        assert data == content
        assert status.st_size == len(content)
        assert ahead.read(path) == (content, status)
        assert path.read_bytes() == content
        assert sha256_file(path) == sha256_bytes(content)
        assert path.stat() == status
    ahead.close()


def test_no_more_large_objects_are_held_ahead_than_fit(objects, monkeypatch):
    monkeypatch.setattr("clr_search.files.stores.ahead.MOST_BYTES", 10)
    ahead = ReadAhead(images.MAX_BYTES)
    ahead.expect(objects)
    waiting = {path: future.result() for path, future in ahead._waiting.items()}
    assert all(fetched.data is None for fetched in waiting.values() if fetched.begun.rest > 10)
    assert {path: ahead.read(path)[0] for path in objects} == objects
    assert ahead._held == 0
    ahead.close()


def test_an_object_is_sought_in(objects):
    path = max(objects, key=lambda path: len(objects[path]))
    with path.open("rb") as file:
        for at, count in [(PART - 3, 10), (0, 4), (len(objects[path]) - 2, 10)]:
            file.seek(at)
            assert file.read(count) == objects[path][at : at + count]
        file.seek(-5, os.SEEK_END)
        assert file.read() == objects[path][-5:]


def test_an_object_beyond_the_limit_is_refused_by_its_first_bytes(objects, monkeypatch):
    path = max(objects, key=lambda path: len(objects[path]))
    monkeypatch.setattr(reading, "finish", None)
    with pytest.raises(ImageError, match=r"bytes are more than the limit of 1,000"):
        reading.read(path, 1000)


def test_one_that_is_replaced_while_it_is_read_is_no_mixture(objects, store):
    path = max(objects, key=lambda path: len(objects[path]))
    begun = reading.begin(path, images.MAX_BYTES)
    store.put({path.key: os.urandom(len(objects[path]))})
    with pytest.raises(OSError, match="changed while it was read"):
        reading.finish(begun)


def test_the_list_and_the_answer_tell_the_same_and_another_content_is_seen(store, prefix):
    key = f"{prefix}/a.bin"
    path = ObjectPath(f"s3://{BUCKET}/{key}")
    seen = set()
    for content in (b"one", b"two", b"six"):  # within a second, and all of one size
        store.put({key: content})
        [(told, status)] = listed(ObjectPath(f"s3://{BUCKET}/{prefix}"))
        assert told == key
        assert status == path.stat() == images.read(path)[1]
        assert status.st_mtime_ns == path.stat().st_mtime_ns
        seen.add(status.st_mtime_ns)
    assert len(seen) == 3


def test_what_is_not_there_or_forbidden_is_an_error_of_the_object(store, prefix, monkeypatch):
    store.put({f"{prefix}/a.bin": b"x"})
    gone, closed = (ObjectPath(f"s3://{BUCKET}/{prefix}/{name}") for name in ("no", "a.bin"))
    with pytest.raises(FileNotFoundError):
        gone.stat()
    with pytest.raises(ImageError, match="does not exist"):
        images.read(gone)
    assert not gone.exists()
    assert closed.is_file()
    for name, value in store.environment(LIMITED).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PermissionError):
        closed.stat()
    with pytest.raises(ImageError, match="permission denied"):
        images.read(closed)
    assert not closed.is_file()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKSOMEBODYELSE"}, r"credentials \(InvalidAccessKeyId\)"),
        ({"AWS_SECRET_ACCESS_KEY": "hunter2"}, r"credentials \(SignatureDoesNotMatch\)"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "does not answer"),
        ({"AWS_ENDPOINT_URL": "https://no-such-host.invalid"}, "does not answer"),
        ({"AWS_ALLOW_HTTP": "false"}, "without TLS"),
        ({"AWS_PROFILE": "nobody"}, "profile of AWS"),
        ({"CLR_SEARCH_STORE_PATIENCE": "soon"}, "CLR_SEARCH_STORE_PATIENCE is 'soon'"),
    ],
)
def test_a_store_that_cannot_be_read_says_why_and_never_who_asked(
    store, root, monkeypatch, changes, what
):
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match=what) as caught:
        list(listed(ObjectPath(root)))
    shown = f"{caught.value} {caught.value!r}"
    assert not any(secret in shown for secret in ("hunter2", "AKSOMEBODYELSE", *OWNER))


def test_a_profile_of_the_aws_command_line_is_used(store, root, prefix, monkeypatch, tmp_path):
    file = tmp_path / "credentials"
    file.write_text(f"[mine]\naws_access_key_id = {OWNER[0]}\naws_secret_access_key = {OWNER[1]}\n")
    store.put({f"{prefix}/a.bin": b"x"})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert [key for key, _ in listed(ObjectPath(root))] == [f"{prefix}/a.bin"]


def test_a_bucket_that_is_not_there(store):
    with pytest.raises(StoreError, match="There is no bucket nothing-here") as caught:
        list(listed(ObjectPath("s3://nothing-here/a")))
    assert caught.value.usage
    with pytest.raises(StoreError, match="There is no bucket"):
        reading.read(ObjectPath("s3://nothing-here/a.jpg"), 10)
