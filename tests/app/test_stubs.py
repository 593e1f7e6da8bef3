"""Gradio is imported without the writing of its stubs."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys

touched = []

def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".pyi"):
        touched.append(arguments[0])

sys.addaudithook(watch)
from clr_search.app.stubs import require_gradio

require_gradio()
import gradio

with gradio.Blocks():
    gradio.Button("go").click(lambda: None)
print(len(touched))
"""


def test_no_stub_is_read_or_written_and_components_have_their_events() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
    )
    assert done.stdout == "0\n"
