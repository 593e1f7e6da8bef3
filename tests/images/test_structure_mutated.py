"""Damaged honest pictures never take more than the bound; neither do those made to cost much."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.costly import saved
from clr_search.errors import ImageError
from clr_search.images.structure import check

_CHILD = """
import json, random, resource, sys, time, warnings
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
warnings.simplefilter("ignore")
from bench.fuzz.damage import corpus, mutated
from clr_search import images
from clr_search.errors import ImageError
good = corpus()
for data in good:
    images.decode(data)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, slowest = peak(), 0.0
for number in range(int(sys.argv[1])):
    chance = random.Random(number)
    data = mutated(chance.choice(good), chance)
    began = time.process_time()
    try:
        images.decode(data, max_pixels=1_000_000)
    except ImageError:
        pass
    slowest = max(slowest, time.process_time() - began)
print(json.dumps([peak() - before, slowest]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does it")
def test_damaged_pictures_take_little_memory_and_time() -> None:
    pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    done = subprocess.run([sys.executable, "-c", _CHILD, "2500"], capture_output=True, check=True)
    megabytes, seconds = json.loads(done.stdout)
    assert megabytes < 50  # of all together: each has at most a megapixel
    assert seconds < 1.0


KINDS = {"JPEG": "JPEG", "PNG": "PNG", "GIF": "GIF", "BMP": "BMP", "TIFF": "TIFF", "WebP": "WEBP"}
GOOD = {name: saved(kind, (17, 9)) for name, kind in KINDS.items()}


@given(
    name=st.sampled_from(sorted(KINDS)),
    damage=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=8)), max_size=6),
    end=st.integers(0, 400),
)
@settings(max_examples=400, deadline=None)
def test_the_check_ends_with_a_size_or_a_refusal(
    name: str, damage: list[tuple[int, bytes]], end: int
) -> None:
    data = bytearray(GOOD[name])
    for at, body in damage:
        data[at : at + len(body)] = body
    try:
        promised = check(bytes(data[:end]), name)
    except ImageError:
        return
    assert promised is None or (promised.width >= 0 and promised.height >= 0)


@given(data=st.binary(max_size=300), name=st.sampled_from([*sorted(KINDS), "AVIF", "HEIC"]))
@settings(max_examples=400, deadline=None)
def test_the_check_ends_on_anything(data: bytes, name: str) -> None:
    with contextlib.suppress(ImageError):
        check(data, name)
