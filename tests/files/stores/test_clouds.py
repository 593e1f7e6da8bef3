"""Pictures at ``gs://`` and ``az://``: what test_collection.py does with ``s3://``, in short.

Azurite speaks Azure's protocol; `make third-party` installs it. No program that plays Google's
store lists objects by XML, as the client library asks for them; SeaweedFS does, since Google's XML
is that of S3. So ``gs://`` is tried as far as the two are alike, which leaves out credentials and
errors of Google's own.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.seaweed import PUBLIC, Seaweed
from bench.starting import objects_of, running
from clr_search import images
from clr_search.cli.main import main
from clr_search.errors import ClrSearchError
from clr_search.files.stores import reading
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.failures import StoreError, failure_of
from clr_search.files.stores.listing import listed
from clr_search.index import Index
from clr_search.server.routes import Service
from tests.files.stores import azure
from tests.files.stores.azure import Azurite
from tests.files.stores.test_collection import picture
from tests.server.conftest import serving


@dataclass(frozen=True)
class Cloud:
    """A store with one bucket, which this process reaches as a person would."""

    bucket: str
    put: Callable[[dict[str, bytes]], None]
    delete: Callable[[Iterable[str]], None]
    closed: dict[str, str | None] = field(default_factory=dict)
    """Environment of somebody who may list all, but read nothing below ``closed/``."""

    def put_folder(self, prefix: str, folder: Path) -> list[str]:
        objects = objects_of(folder, prefix)
        self.put(objects)
        return list(objects)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    pytest.importorskip("obstore", reason="the extra stores is not installed")
    if why := azure.lacking():  # also in continuous integration: it takes 190 MB
        pytest.skip(why)
    with running(Azurite(tmp_path_factory.mktemp("azurite"))) as server:
        yield server


@pytest.fixture(params=["gs", "az"])
def cloud(request: pytest.FixtureRequest, clean: None, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    if request.param == "az":
        azurite: Azurite = request.getfixturevalue("azurite")
        _set(monkeypatch, azurite.environment())
        lists = {"AZURE_STORAGE_ACCOUNT_KEY": None, "AZURE_STORAGE_SAS_TOKEN": azurite.token("l")}
        return Cloud(f"az://{azure.CONTAINER}", azurite.put, azurite.delete, lists)
    seaweed: Seaweed = request.getfixturevalue("seaweed")
    _set(monkeypatch, seaweed.google_environment())
    put, delete = partial(seaweed.put, bucket=PUBLIC), partial(seaweed.delete, bucket=PUBLIC)
    return Cloud(f"gs://{PUBLIC}", put, delete)


def _set(monkeypatch: pytest.MonkeyPatch, values: dict[str, str | None] | dict[str, str]) -> None:
    for name, value in values.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)


def test_a_collection_is_built_searched_shown_and_kept_up_to_date(
    cloud: Cloud,
    prefix: str,
    pictures: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    httpx = pytest.importorskip("httpx")
    keys, root = cloud.put_folder(prefix, pictures), f"{cloud.bucket}/{prefix}"
    cloud.put({f"{prefix}/a.bmp": picture(1, form="BMP"), f"{prefix}-other/1.png": picture(2)})
    with (
        Index.create(tmp_path / "files.clr", tiny_encoder) as files,
        Index.create(tmp_path / "a.clr", tiny_encoder) as index,
    ):
        files.update([pictures])
        assert index.update([root]).added == 37
        index.remove([f"{root}/a.bmp"])
        ours, theirs = index.embeddings(), files.embeddings()
        assert [str(path) for path in ours.paths] == [f"{cloud.bucket}/{key}" for key in keys]
        assert ours.labels == theirs.labels
        np.testing.assert_array_equal(ours.vectors, theirs.vectors)
        index.update([root])

        with monkeypatch.context() as patch:
            patch.setattr(reading, "_part", lambda *_: pytest.fail("an object was read"))
            assert index.update([root]).unchanged == 37

        local = pictures / ours.paths[3].relative_to(ObjectPath(root))
        assert index.search(local, k=5).same == (ours.paths[3],)
        assert index.search(ours.paths[3], k=5).ids.tolist() == (
            index.search(index.id_at(ours.paths[3]), k=5).ids.tolist()
        )
        number = index.id_at(ours.paths[5])
        with serving(Service(index)) as address, httpx.Client(base_url=address) as http:
            answer = http.get(f"/v1/items/{number}/thumbnail")
            assert Image.open(io.BytesIO(answer.content)).format == "JPEG"

        # Another content of the same size within a second, one more, and two fewer.
        cloud.put({f"{prefix}/a.bmp": picture(3, form="BMP"), f"{prefix}/new/1.png": picture(4)})
        cloud.delete(keys[:2])
        assert index.missing() == 2
        report = index.update([root])
        counts = (report.added, report.changed, report.removed, report.unchanged)
        assert counts == (1, 1, 2, 34)
        assert index.update([root]).unchanged == 36


def test_objects_of_all_sizes_are_read_whole(cloud: Cloud, prefix: str) -> None:
    sizes = (0, 1, reading.FIRST, reading.FIRST + reading.PART + 7)
    data = {f"{prefix}/{size}.bin": os.urandom(size) for size in sizes}
    cloud.put(data)
    told = dict(listed(ObjectPath(f"{cloud.bucket}/{prefix}")))
    assert told.keys() == data.keys()
    for key, content in data.items():
        path = ObjectPath(f"{cloud.bucket}/{key}")
        assert images.read(path) == (content, path.stat())
        assert path.stat() == told[key]
        assert path.read_bytes() == content
    begun = reading.begin(path, images.MAX_BYTES)
    cloud.put({key: os.urandom(len(content))})
    with pytest.raises(OSError, match="changed while it was read"):
        reading.finish(begun)


def test_what_cannot_be_read_is_skipped_with_its_reason(
    cloud: Cloud, prefix: str, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a b/ c .png", "ü/é e\u0301.png", "100%.png", "a%20b.png", "#?&=+;@$.png", "🌷.PNG"]
    odd = {f"{prefix}/{name}": picture(n) for n, name in enumerate(names)}
    bad = {f"{prefix}/broken.png": b"no picture at all", f"{prefix}/empty.png": b""}
    cloud.put(odd | bad | {f"closed/{prefix}/1.png": picture(9)})
    closed = f"{cloud.bucket}/closed/{prefix}"
    with Index.create(tmp_path / "a.clr", tiny_encoder) as index:
        report = index.update([f"{cloud.bucket}/{prefix}"])
        assert {str(path) for path in index.embeddings().paths} == {
            f"{cloud.bucket}/{key}" for key in odd
        }
        reasons = {entry.path.name: entry.reason for entry in report.skipped}
        assert reasons.keys() == {"broken.png", "empty.png"}
        assert reasons["empty.png"] == "the file is empty"
        with pytest.raises(FileNotFoundError):
            ObjectPath(f"{cloud.bucket}/{prefix}/no.png").stat()
        _set(monkeypatch, cloud.closed)
        report = index.update([closed])
        assert [(e.path.name, e.reason) for e in report.skipped] == [("1.png", "permission denied")]
        assert len(index) == 6


def test_a_key_that_is_no_path_ends_the_list_and_says_so(cloud: Cloud, prefix: str) -> None:
    cloud.put({f"{prefix}/{name}": picture(1) for name in ("a.png", "b\n.png", "c.png")})
    with pytest.raises(ClrSearchError, match="control character: rename it"):
        list(listed(ObjectPath(f"{cloud.bucket}/{prefix}")))


def test_a_bucket_that_is_not_there(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scheme = cloud.bucket.partition(":")[0]
    with pytest.raises(StoreError, match="There is no bucket nothing-here") as caught:
        list(listed(ObjectPath(f"{scheme}://nothing-here/a")))
    assert caught.value.usage
    with pytest.raises(SystemExit) as ended:
        main(["build-index", f"{scheme}://nothing-here", "--index", str(tmp_path / "a.clr")])
    assert ended.value.code == 2
    assert "There is no bucket nothing-here." in capsys.readouterr().err
    assert not (tmp_path / "a.clr").exists()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        # Azure's word for it is AuthenticationFailed; Azurite says AuthorizationFailure.
        ({"AZURE_STORAGE_ACCOUNT_KEY": "aHVudGVyMg=="}, "does not let az://photos/a be listed"),
        ({"AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:9/x"}, "does not answer"),
    ],
)
def test_azure_that_cannot_be_read_says_why_and_never_who_asked(
    azurite: Azurite,
    clean: None,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str | None],
    what: str,
) -> None:
    _set(monkeypatch, azurite.environment())
    _set(monkeypatch, changes)
    with pytest.raises(StoreError, match=what) as caught:
        list(listed(ObjectPath(f"az://{azure.CONTAINER}/a")))
    shown = f"{caught.value} {caught.value!r} {caught.value.remedy}"
    assert not any(secret in shown for secret in ("aHVudGVyMg", azure.KEY))
    if what != "does not answer":
        assert re.search("AZURE_STORAGE_ACCOUNT_NAME|Storage Blob Data", caught.value.remedy)


@pytest.mark.parametrize(
    ("address", "values", "named"),
    [
        (
            "gs://photos/a",
            ("GOOGLE_APPLICATION_CREDENTIALS", "/no/file.json"),
            "GOOGLE_APPLICATION",
        ),
        ("az://photos/a", ("AZURE_STORAGE_ACCOUNT_KEY", azure.KEY), "AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_an_environment_that_cannot_be_used_is_told_of(
    clean: None,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    values: tuple[str, str],
    named: str,
) -> None:
    """A file of credentials that is not there, and a key without its account."""
    pytest.importorskip("obstore", reason="the extra stores is not installed")
    monkeypatch.setenv(*values)
    with pytest.raises(StoreError, match="cannot be used") as caught:
        list(listed(ObjectPath(address)))
    assert caught.value.usage
    assert named in caught.value.remedy


def test_a_container_that_azure_does_not_have_is_no_permission_that_lacks() -> None:
    said = "404 Not Found: <Error><Code>ContainerNotFound</Code></Error>"
    failure = failure_of(FileNotFoundError(said), ObjectPath("az://nothing-here/a"))
    assert str(failure).startswith("There is no bucket nothing-here")
