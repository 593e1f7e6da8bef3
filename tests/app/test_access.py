"""Who may use the page, and under which names: logins, hosts, and a path behind a proxy."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clr_search.app import guard
from clr_search.app.access import Access
from clr_search.app.main import serving
from clr_search.errors import UsageError
from clr_search.images.isolation import DecodingLimits
from clr_search.web.requests.login import Logins, read_logins

LOGIN = ("ada", "a pässword: long enough")
ASKED = {"host": "photos.example"}


@pytest.fixture(scope="module")
def private(collection: Path, address: str) -> Iterator[str]:
    access = Access(Logins.of(dict([LOGIN])), False, ("photos.example",), "/photos")
    with serving(collection, access=access) as url:
        yield url.rstrip("/")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "GUESSING", 0.0)


@pytest.mark.parametrize(
    "login", [None, ("ada", "wrong"), ("eve", LOGIN[1]), ("", ""), ("ada", "")]
)
def test_nobody_is_answered_without_a_login(private: str, login: tuple[str, str] | None) -> None:
    with httpx.Client(trust_env=False) as client:
        for path in ("/", "/config", "/clr/thumb/1", "/clr/static/main.js", "/nowhere"):
            answer = client.get(private + path, auth=login and httpx.BasicAuth(*login))
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic realm=")


def test_an_answer_to_a_wrong_password_is_held_back(
    private: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whoever guesses gets to few guesses; nobody else waits."""
    monkeypatch.setattr(guard, "GUESSING", 1.5)
    taken = []
    with httpx.Client(trust_env=False) as client:
        for auth in (None, httpx.BasicAuth("ada", "wrong"), httpx.BasicAuth(*LOGIN)):
            began = time.monotonic()
            client.get(f"{private}/config", auth=auth)
            taken.append(time.monotonic() - began)
    assert taken[1] >= 1.5 > min(taken[0], taken[2])


def test_passwords_are_kept_as_hashes() -> None:
    logins = Logins.of(dict([LOGIN]))
    assert LOGIN[1] not in repr(logins)
    assert LOGIN[1] not in str(logins.hashes)
    assert logins.who(httpx.BasicAuth(*LOGIN)._auth_header) == "ada"


def test_a_login_opens_the_page_by_any_name(private: str) -> None:
    with httpx.Client(auth=httpx.BasicAuth(*LOGIN), trust_env=False) as client:
        for host in ("nas.local:7893", "photos.example"):
            assert client.get(f"{private}/config", headers={"host": host}).status_code == 200
        foreign = {"origin": "https://evil.example"}
        assert client.get(f"{private}/config", headers=foreign).status_code == 403


def test_the_page_asks_below_its_root_path(private: str) -> None:
    with httpx.Client(auth=httpx.BasicAuth(*LOGIN), trust_env=False) as client:
        for path in ("/config", "/photos/config"):
            root = client.get(private + path, headers=ASKED).json()["root"]
            assert root == "http://photos.example/photos"


def test_without_logins_a_foreign_name_is_told_what_to_do(address: str) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(address, headers={"host": "nas.local:7893"})
        assert answer.status_code == 421
        assert "--allow-host nas.local" in answer.json()["remedy"]
        answer = client.get(address, headers={"origin": "https://photos.example.org"})
        assert answer.status_code == 403
        assert "--allow-host photos.example.org" in answer.json()["remedy"]


def test_a_proxy_that_sends_its_own_host_is_answered(collection: Path) -> None:
    access = Access(more_hosts=("photos.example",))
    with serving(collection, access=access) as url, httpx.Client(trust_env=False) as client:
        own = {"origin": "https://photos.example", "sec-fetch-site": "same-origin"}
        assert client.get(url, headers=own).status_code == 200
        for other in ("https://evil.example", "https://photos.example.evil"):
            assert client.get(url, headers=own | {"origin": other}).status_code == 403
        assert client.get(url, headers=own | {"sec-fetch-site": "same-site"}).status_code == 403


def test_another_address_needs_a_login(collection: Path) -> None:
    with pytest.raises(UsageError, match="--auth FILE"), serving(collection, host="0.0.0.0"):
        pass
    with serving(collection, host="0.0.0.0", access=Access(open_to_all=True)) as url:
        assert ":" in url


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "holds no login"),
        ("# ada:password\n", "holds no login"),
        ("ada\n", "Line 1"),
        ("ada:\n", "Line 1"),
        ("ada:short\n", "fewer than 8"),
        ("ada:long enough\n\nada:long enough\n", "Line 3"),
    ],
)
def test_files_without_logins_are_refused(tmp_path: Path, text: str, wrong: str) -> None:
    file = tmp_path / "logins.txt"
    file.write_text(text)
    with pytest.raises(UsageError, match=wrong):
        read_logins(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_logins(tmp_path / "none")


def test_the_limits_of_decoding_reach_the_workers_of_the_app(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clr_search.app.library import library

    given: list[DecodingLimits | None] = []
    workers = library.DecodingWorkers

    def noted(count: int, limits: DecodingLimits | None = None) -> object:
        given.append(limits)
        return workers(count, limits)

    monkeypatch.setattr(library, "DecodingWorkers", noted)
    limits = DecodingLimits(123 * 2**20, 4.5)
    with serving(collection, decoding=limits):
        assert given == [limits]


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        location /photos/ {{
            proxy_pass {behind}/;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


@contextmanager
def behind_nginx(behind: str, folder: Path) -> Iterator[str]:
    """Its address, below a path, of a proxy before a server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, port=port, behind=behind))
    process = subprocess.Popen(["nginx", "-e", str(folder / "errors"), "-c", str(file)])
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/photos"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_behind_nginx_with_a_prefix(private: str, pictures: Path, tmp_path: Path) -> None:
    with (
        behind_nginx(private, tmp_path) as url,
        httpx.Client(auth=httpx.BasicAuth(*LOGIN), trust_env=False, timeout=20) as client,
    ):
        assert httpx.get(f"{url}/", trust_env=False).status_code == 401
        assert client.get(f"{url}/").status_code == 200
        assert client.get(f"{url}/config").json()["root"] == url
        data = next(pictures.rglob("*.png")).read_bytes()
        sent = client.post(f"{url}/clr/upload", content=data)
        assert client.get(f"{url}/clr/upload/{sent.json()['upload']}").status_code == 200
