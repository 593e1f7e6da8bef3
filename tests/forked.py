"""Processes that begin with PyTorch already imported, which takes longer than most tests.

One process a test process imports it, and is then forked: a child is a process of its own, which
can be killed, and has signals, an environment and output of its own, as one by `subprocess` has.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PARENT = """
import json, os, signal, sys, traceback
import torch, torchvision

def become(asked):
    null = os.open(os.devnull, os.O_RDONLY)
    how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = null, os.open(asked["output"], how), os.open(asked["output"] + ".errors", how)
    for at, file in enumerate(files):
        os.dup2(file, at)
    os.environ.update(asked["environment"])
    sys.argv[:] = ["-c", *asked["arguments"]]
    status = 0
    try:
        exec(compile(asked["code"], "<forked>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

for line in sys.stdin:
    asked = json.loads(line)
    if "ended" in asked:
        number, status = os.waitpid(asked["ended"], os.WNOHANG)
        answer = os.waitstatus_to_exitcode(status) if number else None
    else:
        answer = os.fork()
        if not answer:
            become(asked)
    print(json.dumps(answer), flush=True)
"""


@cache
def _parent() -> subprocess.Popen[str]:
    """The process that has imported PyTorch, and nothing of ours."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(parent.kill)
    return parent


def _ask(**words: object) -> int | None:
    parent = _parent()
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(json.dumps(words) + "\n")
    parent.stdin.flush()
    answer: int | None = json.loads(parent.stdout.readline())
    return answer


class Forked:
    """A process that runs a program.

    The file `output` receives what it prints, and the one beside it, ``….errors``, its errors.
    """

    def __init__(
        self,
        code: str,
        *arguments: object,
        output: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.output = output
        self.returncode: int | None = None
        given = {**os.environ, **(environment or {})}
        pid = _ask(
            code=code,
            arguments=[str(one) for one in arguments],
            output=str(output),
            environment=given,
        )
        assert pid is not None
        self.pid = pid

    def poll(self) -> int | None:
        """The exit status, of which a negative one is a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = _ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout: float = 120) -> int:
        """Wait for the end; the exit status."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            assert time.monotonic() < deadline, self.errors()
            time.sleep(0.01)
        return status

    def errors(self) -> str:
        """What it wrote to its standard error."""
        return Path(f"{self.output}.errors").read_text()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to a process that has not ended, as far as is known."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, with no chance to do anything more."""
        self.send_signal(signal.SIGKILL)
