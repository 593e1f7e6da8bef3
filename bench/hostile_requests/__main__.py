"""Malformed requests to the service and the app: what the worst costs them, and who else waits.

    python -m bench.hostile_requests photos.clr --requests 10000

Starts ``clr-search serve`` and ``clr-search app``, each without a key, and sends them requests of
every kind in `KINDS` over 16 connections at a time: heads, bodies, trailers and chunks without an
end, what is no HTTP, clients that send or read slowly, pipelining, forms and JSON that ask a lot.
Beside them 2,000 connections are opened that ask for nothing. Meanwhile another process asks
``/readyz`` (of the app a small file) every 20 ms over connections of its own, and the memory of the
server is read every 20 ms. Clients, prober and server share the cores, and whatever else runs on
the machine. So the prober asks a second server in turn, which nobody attacks and which does
nothing, and notes for how long the server itself has computed between question and answer, all its
threads together: what else an answer took, it waited for a processor.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.hostile_requests.kinds import APP, KINDS, SERVICE, Client, Target
from bench.hostile_requests.probing import Outcome, idle, watched
from bench.machine import machine
from bench.starting import serving

AT_ONCE = 16
CONNECTIONS = 2000


def attack(target: Target, process: int, port: int, other: int, kind: str, count: int) -> Outcome:
    """Send so many requests of a kind."""
    send = KINDS[kind][1]

    def one(seed: int) -> bool:
        try:
            client = Client(target, port, seed)
        except OSError:
            return False
        with contextlib.closing(client.socket):
            try:
                return send(client).startswith(b"HTTP/1.1 500")
            except OSError:
                return False

    with watched(target, process, port, other) as end, ThreadPoolExecutor(AT_ONCE) as pool:
        failed = sum(pool.map(one, range(count)))
        return end(count, failed)


def silent(target: Target, process: int, port: int, other: int) -> Outcome:
    """Open connections that ask for nothing, and hold them for a while."""
    with watched(target, process, port, other) as end, contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            stack.enter_context(contextlib.closing(connection))
        time.sleep(3)
        return end(CONNECTIONS, 0)


def main() -> None:
    """Attack both servers, and print a table of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path)
    parser.add_argument(
        "--requests", type=int, default=10_000, help="half of them to each of the two servers"
    )
    names = [target.name for target in (SERVICE, APP)]
    parser.add_argument("--only", choices=names, help="one of the two servers")
    given = parser.parse_args()
    with contextlib.suppress(ImportError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    print(machine())
    for target in (SERVICE, APP):
        if given.only not in (None, target.name):
            continue
        print(f"\n`clr-search {target.name}`, asked for `{target.probed}` meanwhile\n")
        print(
            "| kind | requests | 500 | memory, MB | p99, ms | worst, ms "
            "| p99 of what it computed, ms | worst, ms | p99 of an idle server, ms | worst, ms "
            "| not 200 |\n|---|" + "---|" * 10,
            flush=True,
        )
        with idle() as other, serving(*target.command, given.collection) as (process, port):
            attack(target, process, port, other, "changed bytes", 200)  # warm
            for kind, (share, _) in KINDS.items():
                count = max(1, round(share * given.requests / 2))
                outcome = attack(target, process, port, other, kind, count)
                print(outcome.row(kind), flush=True)
            outcome = silent(target, process, port, other)
            print(outcome.row("connections that ask for nothing"), flush=True)


if __name__ == "__main__":
    main()
