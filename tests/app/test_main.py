"""The server: what it answers to whom, what it keeps, and how it begins and ends."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from clr_search import errors
from clr_search.app.access import Access
from clr_search.app.guard import MAX_UPLOAD_BYTES
from clr_search.app.main import build, serving
from clr_search.errors import MissingExtraError, UsageError


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=20) as client:
        yield client


def ask(client: httpx.Client, name: str, **data: Any) -> dict[str, Any]:
    """Ask a question as the page would."""
    config = client.get("/config").json()
    number = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "clr-page")
    message = {"component_id": number, "fn_name": name, "session_hash": "test", "data": data}
    answer = client.post("/gradio_api/component_server", json=message)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def upload(client: httpx.Client, name: str, data: bytes) -> httpx.Response:
    return client.post("/clr/upload", content=data, headers={"x-name": name})


def test_an_uploaded_picture_is_answered_with_its_neighbours(
    client: httpx.Client, pictures: Path
) -> None:
    picture = next(pictures.rglob("*.jpg"))
    brought = upload(client, "m%C3%BCll.jpg", picture.read_bytes()).json()
    assert brought["name"] == "müll.jpg"
    search = {"terms": [{"upload": brought["upload"]}]}
    found = ask(client, "find", search=search, count=7)["ok"]
    assert (found["total"], len(found["rows"])) == (36, 7)
    assert found["rows"][0]["score"] == pytest.approx(1, abs=1e-3)


def test_48_results_take_less_than_50_kB(client: httpx.Client) -> None:
    first = ask(client, "find", search={}, count=1)["ok"]["rows"][0]["id"]
    search = {"terms": [{"id": first}]}
    found = ask(client, "find", search=search, count=48)
    assert len(found["ok"]["rows"]) == 35
    assert len(json.dumps(found)) / 35 * 48 < 50_000


def test_thumbnails_come_by_id_and_are_kept_for_ever(client: httpx.Client) -> None:
    row = ask(client, "find", search={}, count=1)["ok"]["rows"][0]
    answer = client.get(f"/clr/thumb/{row['id']}", params={"v": row["v"]})
    assert answer.content.startswith(b"\xff\xd8")
    assert "immutable" in answer.headers["cache-control"]
    assert "private" in answer.headers["cache-control"]
    assert client.get(f"/clr/thumb/{row['id']}").headers["cache-control"] == "no-store"


def test_scripts_are_asked_for_again_only_where_they_changed(client: httpx.Client) -> None:
    answer = client.get("/clr/static/main.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    same = client.get("/clr/static/main.js", headers={"if-none-match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_chosen_pictures_are_taken_away(collection: Path) -> None:
    with (
        serving(collection, access=Access(originals=True)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=20) as client,
    ):
        ids = [row["id"] for row in ask(client, "find", search={}, count=5)["ok"]["rows"]]
        table = client.post("/clr/export", json={"kind": "csv", "ids": [*ids, 999_999]})
        lines = list(csv.DictReader(io.StringIO(table.text)))
        assert [int(line["id"]) for line in lines] == ids
        sheet = client.post("/clr/export", json={"kind": "sheet", "ids": ids})
        assert Image.open(io.BytesIO(sheet.content)).width > 1000
        files = client.post("/clr/export", json={"kind": "zip", "ids": ids})
        with zipfile.ZipFile(io.BytesIO(files.content)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 5
            first = archive.read(archive.namelist()[0])
        assert first == Path(lines[0]["path"]).read_bytes()
        original = client.get(f"/clr/original/{ids[0]}")
        assert original.content == first
        assert original.headers["content-type"] == "application/octet-stream"
        assert "attachment" in original.headers["content-disposition"]


def test_files_and_large_pictures_are_kept_in_where_that_is_wanted(collection: Path) -> None:
    with (
        serving(collection, access=Access(thumbnails_only=True)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=20) as client,
    ):
        number = ask(client, "find", search={}, count=1)["ok"]["rows"][0]["id"]
        assert client.get(f"/clr/thumb/{number}").status_code == 200
        for path in (f"/clr/picture/{number}", f"/clr/original/{number}"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert "Start the app with" in answer.json()["remedy"]
        zipped = client.post("/clr/export", json={"kind": "zip", "ids": [number]})
        assert zipped.status_code == 404


def test_no_address_is_fetched_for_a_client(client: httpx.Client) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as trap:
        trap.settimeout(0.5)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/a.png"
        event = {"data": [{"path": url}], "fn_index": 0, "session_hash": "s"}
        assert client.post("/gradio_api/queue/join", json=event).status_code == 403
        assert client.get(f"/gradio_api/file={url}").status_code == 403
        assert client.get(f"/gradio_api/proxy={url}").status_code == 404
        with pytest.raises(TimeoutError):
            trap.accept()


def test_files_outside_the_upload_folder_are_not_served(
    client: httpx.Client, pictures: Path
) -> None:
    for path in (next(pictures.rglob("*.jpg")), Path(sys.executable), Path("/etc/hostname")):
        assert client.get(f"/gradio_api/file={path}").status_code in {403, 404}


def test_large_uploads_are_refused(client: httpx.Client) -> None:
    assert upload(client, "big.jpg", bytes(MAX_UPLOAD_BYTES + 1)).status_code == 413


def test_nothing_is_told_beyond_the_named_endpoints(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["x-frame-options"] == "DENY"
    told = client.get("/gradio_api/info").json()
    names = "search picture overview classify label proposals copies groups places".split()
    assert set(told["named_endpoints"]) == {f"/{name}" for name in names}
    assert told["unnamed_endpoints"] == {}
    for path in ("/docs", "/openapi.json", "/gradio_api/openapi.json"):
        assert client.get(path).status_code == 404


def test_uploads_lie_in_a_private_folder_that_goes_in_the_end(
    collection: Path, pictures: Path
) -> None:
    picture = next(pictures.rglob("*.jpg"))
    before = os.environ.get("GRADIO_TEMP_DIR")
    with serving(collection) as url:
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with httpx.Client(base_url=url, trust_env=False) as client:
            token = upload(client, "mine.jpg", picture.read_bytes()).json()["upload"]
            assert (folder / token).is_file()
    assert not folder.exists()
    assert os.environ.get("GRADIO_TEMP_DIR") == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_taken_port_is_said_plainly(collection: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"127.0.0.1:{port}.*taken.*--port"),
            serving(collection, port=port),
        ):
            pass


def test_missing_things_are_said_plainly(
    tmp_path: Path, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError):
        build(tmp_path / "nothing.clr")
    with pytest.raises(UsageError):
        build(collection, tmp_path / "nothing.onnx")

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(errors.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"gradio.*clr-search\[app\]"):
        build(collection)


PROGRAM = """
import sys
def audit(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect":
        host = arguments[1][0] if isinstance(arguments[1], tuple) else None
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "127.0.0.1", "localhost", "::1"):
        print("CONTACTED", host, file=sys.stderr, flush=True)
sys.addaudithook(audit)
from clr_search.app import launch
launch(sys.argv[1], open_browser=False)
print("torch" in sys.modules)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_launch_serves_until_it_is_interrupted_and_contacts_nobody(
    collection: Path, tmp_path: Path, number: signal.Signals
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:9"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(collection)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"Opening {collection} …\n"
        told = process.stderr.readline()
        assert told.startswith(f"Searching {collection} at http://127.0.0.1:")
        url = told.split(" at ")[1].split()[0]
        assert httpx.get(url, trust_env=False).status_code == 200
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        out, rest = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, out, rest) == (0, "False\n", "Stopped.\n")
    assert not list(tmp_path.iterdir())
