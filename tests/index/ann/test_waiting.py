from __future__ import annotations

import importlib
import os

import pytest

from clr_search.index import ann


def test_threads_wait_without_spinning_unless_somebody_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    importlib.reload(ann)
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    importlib.reload(ann)
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
