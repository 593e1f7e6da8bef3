"""A real server that speaks Azure's protocol: Azurite, by the makers of Azure, from npm."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from bench.starting import wait_for

CONTAINER = "photos"

_FOLDER = Path(__file__).parent / "azurite"
_MAIN = _FOLDER / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
_ACCOUNT = "devstoreaccount1"
# The key that every Azurite has, as its documentation states it.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def lacking() -> str | None:
    """What has to be installed, or None."""
    if shutil.which("node") is None:
        return "no Node.js"
    return None if _MAIN.exists() else "no Azurite: make third-party"


class Azurite:
    """A server with one container, which keeps nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self._port = listening.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}/{_ACCOUNT}"

    def environment(self) -> dict[str, str]:
        """What a person would set who owns the account."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
            "AZURE_ALLOW_HTTP": "true",
            "CLR_SEARCH_STORE_PATIENCE": "0.5",
        }

    def start(self) -> None:
        options = {"--blobHost": "127.0.0.1", "--blobPort": str(self._port)}
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["node", _MAIN, *(word for pair in options.items() for word in pair),
                 "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"],
                stdout=log, stderr=log, cwd=self._folder,
                env={k: v for k, v in os.environ.items() if not k.startswith("AZUR")},
            )  # fmt: skip
        make = partial(self._ask, "PUT", CONTAINER, restype="container")
        wait_for(self._process, make, URLError, self._folder / "log")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def put(self, objects: dict[str, bytes]) -> None:
        for key, data in objects.items():
            self._ask("PUT", f"{CONTAINER}/{quote(key)}", data)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._ask("DELETE", f"{CONTAINER}/{quote(key)}")

    def token(self, allowed: str) -> str:
        """A token of the account ("SAS") that allows some things, such as ``"l"``, to list."""
        said = {
            "sp": allowed, "ss": "b", "srt": "sco", "se": "2099-01-01T00:00:00Z",
            "spr": "https,http", "sv": "2018-11-09",
        }  # fmt: skip
        signed = [_ACCOUNT, said["sp"], said["ss"], said["srt"], "", said["se"], "", said["spr"]]
        text = "\n".join([*signed, said["sv"], ""]).encode()
        signature = hmac.new(base64.b64decode(KEY), text, hashlib.sha256).digest()
        return urlencode(said | {"sig": base64.b64encode(signature).decode()})

    def _ask(self, method: str, path: str, data: bytes | None = None, **query: str) -> None:
        """Make a request by Python's own client, which the code under test does not use."""
        asked = "&".join(filter(None, (urlencode(query), self.token("rwdlac"))))
        headers = {"x-ms-version": "2021-08-06", "Content-Length": str(len(data or b""))}
        if data is not None:
            headers |= {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
        request = Request(f"{self.endpoint}/{path}?{asked}", data, headers, method=method)
        try:
            urlopen(request, timeout=20).close()
        except HTTPError as error:
            raise AssertionError(f"{error}: {error.read().decode(errors='replace')}") from error
