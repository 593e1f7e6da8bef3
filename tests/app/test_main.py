"""The server: what it answers to whom, what it keeps, and how it begins and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from clr_search import errors
from clr_search.app.guard import MAX_UPLOAD_BYTES
from clr_search.app.main import build, serving
from clr_search.errors import MissingExtraError, UsageError


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=20) as client:
        yield client


def send_event(client: httpx.Client, elem_id: str, event: str, data: list[Any]) -> httpx.Response:
    """Post an event as the page would."""
    config = client.get("/config").json()
    component = next(
        item["id"] for item in config["components"] if item["props"].get("elem_id") == elem_id
    )
    number = next(
        item["id"] for item in config["dependencies"] if [component, event] in item["targets"]
    )
    message = {"data": data, "fn_index": number, "session_hash": "test", "trigger_id": component}
    return client.post("/gradio_api/queue/join", json=message)


def outcome(client: httpx.Client) -> dict[str, Any]:
    """What became of the event that was posted last."""
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "test"}) as lines:
        for line in lines.iter_lines():
            if line.startswith("data:"):
                message: dict[str, Any] = json.loads(line.removeprefix("data:"))
                if message["msg"] == "process_completed":
                    return message
    raise AssertionError("the event never completed")


def upload(client: httpx.Client, name: str, data: bytes) -> httpx.Response:
    return client.post("/gradio_api/upload", files={"files": (name, data)})


def file_data(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def test_an_uploaded_picture_is_answered_with_its_neighbours(
    client: httpx.Client, pictures: Path
) -> None:
    picture = next(pictures.rglob("*.jpg"))
    [path] = upload(client, "mine.jpg", picture.read_bytes()).json()
    data = [file_data(path), None, 7, "", "", 0, ""]
    assert send_event(client, "clr-upload", "input", data).status_code == 200
    answer = outcome(client)
    assert answer["success"]
    assert "7 neighbours among 36 images" in str(answer["output"]["data"])


@pytest.mark.parametrize("kind", ["collection", "system", "missing", "none"])
def test_no_file_can_be_named_that_was_not_uploaded(
    client: httpx.Client, pictures: Path, kind: str
) -> None:
    paths = {
        "collection": str(next(pictures.rglob("*.jpg"))),
        "system": str(Path(sys.executable).resolve()),
        "missing": str(Path(os.environ["GRADIO_TEMP_DIR"]) / "no" / "such.jpg"),
        "none": "",
    }
    data = [file_data(paths[kind]), None, 7, "", "", 0]
    send_event(client, "clr-upload", "input", data)
    answer = outcome(client)
    assert not answer["success"]
    assert "data:image" not in str(answer)
    assert "Traceback" not in str(answer)


def test_no_address_is_fetched_for_a_client(client: httpx.Client) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as trap:
        trap.settimeout(0.5)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/a.png"
        for data in ([file_data(url), None, 7, "", "", 0], [None, None, file_data(url), "", ""]):
            assert send_event(client, "clr-upload", "input", data).status_code == 403
        assert client.get(f"/gradio_api/file={url}").status_code == 403
        assert client.get(f"/gradio_api/proxy={url}").status_code == 404
        with pytest.raises(TimeoutError):
            trap.accept()


def test_files_outside_the_upload_folder_are_not_served(
    client: httpx.Client, pictures: Path
) -> None:
    for path in (next(pictures.rglob("*.jpg")), Path(sys.executable), Path("/etc/hostname")):
        assert client.get(f"/gradio_api/file={path}").status_code in {403, 404}


def test_places_that_are_not_on_the_page_change_nothing(client: httpx.Client) -> None:
    config = client.get("/config").json()
    grid = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "clr-results")
    number = next(d["id"] for d in config["dependencies"] if [grid, "pick"] in d["targets"])
    for event in ({"index": 99}, {"index": -1}, {"index": "0"}, {"index": True}, {}, None, "x"):
        message = {
            "data": [None, 12, "", ""],
            "fn_index": number,
            "session_hash": "test",
            "event_data": event,
        }
        assert client.post("/gradio_api/queue/join", json=message).status_code == 200
        assert "data:image" not in str(outcome(client))


def test_large_uploads_are_refused(client: httpx.Client) -> None:
    assert upload(client, "big.jpg", bytes(MAX_UPLOAD_BYTES + 1)).status_code == 413


def test_there_is_no_programming_interface(client: httpx.Client) -> None:
    page = client.get("/")
    assert '"named_endpoints":{}' in page.text.replace(" ", "")
    assert page.headers["x-frame-options"] == "DENY"
    for path in ("/docs", "/openapi.json", "/gradio_api/info", "/gradio_api/openapi.json"):
        assert client.get(path).status_code == 404


def test_uploads_lie_in_a_private_folder_that_goes_in_the_end(collection: Path) -> None:
    before = os.environ.get("GRADIO_TEMP_DIR")
    with serving(collection) as url:
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with httpx.Client(base_url=url, trust_env=False) as client:
            [path] = upload(client, "mine.jpg", b"anything").json()
            assert Path(path).is_relative_to(folder)
            assert "Classify" not in client.get("/").text
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
