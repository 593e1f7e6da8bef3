"""A real server of Milvus for tests and measurements, from the package `milvus`, on this machine.

``python -m bench.milvus_server FOLDER`` starts one and prints its address. With ``--shared``, it
runs as long as a process that has put its number into ``FOLDER/users`` does, and is started again
where it was killed: so several processes share one, and none is left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_SECONDS = 120.0
STATE = "state.json"
"""File in the folder with the port of a server that answers, and the number of its process."""


class Server:
    """A server with its data in a folder; it listens on ports of this machine that are free.

    Parameters
    ----------
    folder : Path
        Where its data, logs and unpacked program go.
    options : str, int or bool
        Entries of the package's configuration, such as ``authorization_enabled=True``.
    """

    def __init__(self, folder: Path, **options: str | int | bool) -> None:
        from milvus import MilvusServer, _initialize_data_files

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._server: Any = MilvusServer(data_dir=str(folder), wait_for_started=False)
        config = self._server.config
        names = [name for name in config.configurable_items if name.endswith("_port")]
        self._health, peer, *ports = _free_ports(len(names) + 2)
        config.update(**dict(zip(names, ports, strict=True)))
        config.resolve()
        for name, value in options.items():
            config.set(name, value)
        config.write_config()
        self._etcd = _etcd(folder, config, peer)
        _initialize_data_files(str(folder))
        self.port = int(config.get("proxy_port"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Starts the server, again after `kill`, and waits until it answers."""
        binaries = self._folder / "bin"
        environment = os.environ | {
            "DEPLOY_MODE": "STANDALONE",
            "ETCD_CONFIG_PATH": str(self._etcd),
            "METRICS_PORT": str(self._health),
            "MILVUS_RUN_DIR": str(self._folder / "run"),
            "LD_LIBRARY_PATH": f"{binaries}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        }
        with (self._folder / "logs" / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binaries / "milvus", "run", "standalone"],
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the one who started it
            )
        ends = time.monotonic() + _SECONDS
        while time.monotonic() < ends:
            if self._process.poll() is not None:
                raise RuntimeError(f"Milvus has ended; see {self._folder / 'logs'}")
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                url = f"http://127.0.0.1:{self._health}/healthz"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if b"OK" in answer.read():
                        return self
            time.sleep(0.2)
        raise RuntimeError(f"Milvus does not answer; see {self._folder / 'logs'}")

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None, "it was started"
        return self._process.pid

    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.poll() is None

    def address(self, collection: str, options: str = "") -> str:
        """Returns the address of a collection on it."""
        return f"milvus://127.0.0.1:{self.port}/{collection}{options}"

    def kill(self) -> None:
        """Kills it as ``kill -9`` does."""
        if self._process is not None and self.is_running():
            self._process.kill()
            self._process.wait()
        self._process = None


def _free_ports(count: int) -> list[int]:
    """Returns ports that are free, drawn at random: another server may start at the same time.

    They are below those that the system gives to connections.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as held:
            held.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


def _etcd(folder: Path, config: Any, peer: int) -> Path:
    """Writes the configuration of the etcd inside, whose ports the package does not set."""
    file = folder / "configs" / "etcd.yaml"
    settings = {
        "name": "default",
        "data-dir": config.get("etcd_data_dir"),
        "listen-client-urls": f"http://localhost:{config.get('etcd_port')}",
        "advertise-client-urls": f"http://localhost:{config.get('etcd_port')}",
        "listen-peer-urls": f"http://localhost:{peer}",
        "initial-advertise-peer-urls": f"http://localhost:{peer}",
        "initial-cluster": f"default=http://localhost:{peer}",
        "log-level": "error",
    }
    file.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    return file


def share(server: Server, folder: Path) -> None:
    """Keeps a server running as long as any of its users does."""
    while any(_lives(int(user.name)) for user in (folder / "users").iterdir()):
        if not server.is_running():
            (folder / STATE).unlink(missing_ok=True)
            server.start()
        if not (folder / STATE).exists():
            written = folder / "state.next"
            written.write_text(json.dumps({"port": server.port, "pid": server.pid}))
            written.rename(folder / STATE)
        time.sleep(0.1)


def _lives(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Starts a server, and runs until Ctrl-C or until nobody uses it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    folder = Path(sys.argv[1]).absolute()
    server = Server(folder, **({"authorization_enabled": True} if "--token" in sys.argv else {}))
    server.start()
    print(server.address("COLLECTION"), server.pid, flush=True)
    try:
        if "--shared" in sys.argv:
            share(server, folder)
        else:
            signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        server.kill()


if __name__ == "__main__":
    main()
