"""Requests that nobody would send: none may make the service fail."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.slow
def test_no_request_out_of_the_description_makes_it_fail(address: str) -> None:
    """Schemathesis makes up requests, right and wrong ones, out of the service's own document."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    tried = 0
    for operation in schema.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=25,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.ok().as_strategy(generation_mode=mode))
            def send(case: schemathesis.Case) -> None:
                nonlocal tried
                tried += 1
                case.call_and_validate(checks=CHECKS)

            with suppress(Unsatisfiable):  # a route without parameters cannot be asked wrongly
                send()
    assert tried > 100


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 30))
def test_damaged_pictures_are_refused_or_embedded(
    http: httpx.Client, pictures: Path, seed: int, changes: int
) -> None:
    chance = random.Random(seed)
    data = bytearray(chance.choice(sorted(pictures.rglob("*.*g"))).read_bytes())
    for _ in range(changes):
        data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    answer = http.post("/v1/embed", content=bytes(data), headers={"content-type": "image/png"})
    assert answer.status_code in {200, 422}
