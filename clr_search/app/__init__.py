"""The browser application: a Gradio page over a collection, for one person on one machine."""

from clr_search.app.main import build, launch

__all__ = ["build", "launch"]
