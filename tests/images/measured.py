"""What decoding costs, in a process of its own that has no more than 2 GiB."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NamedTuple

import pytest

_CHILD = """
import json, resource, sys, time, warnings
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
warnings.simplefilter("ignore")
from bench.costly import saved
from clr_search import images
from clr_search.errors import ImageError
for kind in sys.argv[1:]:
    images.decode_square(saved(kind), 224)  # what every first picture costs
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
data = sys.stdin.buffer.read()
before, began = peak(), time.perf_counter()
try:
    picture = images.decode_square(data, 224)
    outcome = f"{picture.width} × {picture.height}"
except ImageError as error:
    outcome = error.what
print(json.dumps([time.perf_counter() - began, peak() - before, outcome]))
"""


class Cost(NamedTuple):
    """Seconds, megabytes above those before, and the size of the picture, or why it was refused."""

    seconds: float
    megabytes: float
    outcome: str


def cost(data: bytes, *kinds: str) -> Cost:
    """Of decoding, after a picture of each of these kinds (by Pillow's names)."""
    if not sys.platform.startswith("linux"):
        pytest.skip("memory is limited and measured as Linux does it")
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *kinds], input=data, capture_output=True, check=True
    )
    return Cost(*json.loads(done.stdout))
