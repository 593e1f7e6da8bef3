"""The browser application: Gradio over the index and the encoder, for one person on one machine."""

from clr_search.app.main import build, launch

__all__ = ["build", "launch"]
