"""Where ONNX Runtime computes. CUDA is faked: what is asked of it, and what a failure leads to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from clr_search.contract import runtime
from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.serve import Encoder, devices

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass
class Faked:
    """onnxruntime-gpu on a machine whose GPU `fails` in some way, or works."""

    fails: str = ""
    asked: list[tuple[list[Any], dict[str, Any]]] = field(default_factory=list)
    SessionOptions = onnxruntime.SessionOptions

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]

    def InferenceSession(self, data: bytes, options: Any, *, providers: Any, **more: Any) -> Any:
        self.asked.append((providers, more))
        session = onnxruntime.InferenceSession(data, options, providers=[CPU])
        if providers != [CPU]:
            if self.fails == "loudly":
                raise RuntimeError("CUDA failure 100: no CUDA-capable device.\n  stack of calls")
            working = [CPU] if self.fails == "silently" else [CUDA, CPU]
            session.get_providers = lambda: working
        return session


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Faked]]:
    def install(fails: str = "") -> Faked:
        fake = Faked(fails)
        monkeypatch.setattr(runtime, "runtime", lambda: fake)
        return fake

    devices._warn_once.cache_clear()
    yield install
    devices._warn_once.cache_clear()


def test_without_cuda_the_processor_works(tiny_encoder: Path) -> None:
    assert CUDA not in onnxruntime.get_available_providers()
    assert Encoder(tiny_encoder).device == Encoder(tiny_encoder, device="cpu").device == "cpu"


def test_cuda_that_is_not_installed_is_an_error_with_a_remedy(tiny_encoder: Path) -> None:
    with pytest.raises(UsageError, match=r"The device is cuda:1, but .* has no CUDA") as refused:
        Encoder(tiny_encoder, device="cuda:1")
    assert "pip install onnxruntime-gpu" in refused.value.remedy


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:x", "", "cpu:0"])
def test_other_names_are_refused(tiny_encoder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="must be auto, cpu, cuda"):
        Encoder(tiny_encoder, device=name)


@pytest.mark.parametrize(
    ("device", "number"), [("auto", "0"), ("cuda", "0"), ("cuda:0", "0"), ("cuda:1", "1")]
)
def test_cuda_is_taken_where_it_works(
    faked: Callable[[str], Faked], tiny_encoder: Path, device: str, number: str
) -> None:
    fake = faked("")
    encoder = Encoder(tiny_encoder, device=device)
    assert encoder.device == f"cuda:{number}"
    ((providers, more),) = fake.asked
    assert providers == [(CUDA, {"device_id": number, "use_tf32": "0"}), CPU]
    assert more == {"enable_fallback": 0}  # which would print, and go on without a word to us
    assert encoder.encode(np.zeros((40, 40, 3), np.uint8)).shape == (1, encoder.dimension)


def test_the_processor_can_be_asked_for(faked: Callable[[str], Faked], tiny_encoder: Path) -> None:
    fake = faked("")
    assert Encoder(tiny_encoder, device="cpu").device == "cpu"
    assert fake.asked == [([CPU], {})]


@pytest.mark.parametrize(
    ("fails", "reason"), [("loudly", "no CUDA-capable device"), ("silently", "are missing")]
)
def test_cuda_that_does_not_start_is_told_of(
    faked: Callable[[str], Faked],
    tiny_encoder: Path,
    fails: str,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    faked(fails)
    with pytest.raises(UsageError, match=f"ONNX Runtime cannot start it: .*{reason}"):
        Encoder(tiny_encoder, device="cuda")
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        found = [Encoder(tiny_encoder).device for _ in range(3)]
    assert found == ["cpu"] * 3
    (warning,) = caplog.records
    assert reason in warning.message
    assert "\n" not in warning.message


def test_a_damaged_model_is_not_blamed_on_cuda(
    faked: Callable[[str], Faked],
    tiny_encoder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = faked("")

    def refuses(*_: Any, **__: Any) -> Any:
        raise ValueError("the graph is bad")

    monkeypatch.setattr(fake, "InferenceSession", refuses)
    with pytest.raises(UsageError, match=r"not accepted by ONNX Runtime: the graph is bad"):
        Encoder(tiny_encoder)
    assert caplog.records == []


def test_a_collection_embeds_where_it_is_told_to(
    faked: Callable[[str], Faked], tiny_encoder: Path, pictures: Path, tmp_path: Path
) -> None:
    faked("")
    path = tmp_path / "colours.clr"
    with Index.create(path, tiny_encoder, device="cuda:1") as index:
        assert index.update([pictures]).added == 36
        assert index.encoder.device == "cuda:1"
        assert index.encoder.with_threads(1).device == "cuda:1"
    with Index.open(path, writable=True, device="cpu") as index:
        assert index.encoder.device == "cpu"


def test_a_rebuild_embeds_where_it_is_told_to(
    faked: Callable[[str], Faked], tiny_encoder: Path, pictures: Path, tmp_path: Path
) -> None:
    fake = faked("")
    with Index.create(tmp_path / "colours.clr", tiny_encoder, device="cuda:2") as index:
        index.update([pictures / "red"])
        index.rebuild(tiny_encoder)
    used = [providers[0][1]["device_id"] for providers, _ in fake.asked]
    assert used == ["2", "2"]
