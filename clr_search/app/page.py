"""The page as a whole: its header and its tabs."""

from __future__ import annotations

import gradio as gr

from clr_search.app.about_tab import about
from clr_search.app.classify_tab import ClassifyTab
from clr_search.app.components import fragment
from clr_search.app.copies.review import Review
from clr_search.app.copies.tab import CopiesTab
from clr_search.app.explorer import Explorer
from clr_search.app.fragments import PASTE_AND_DROP, header
from clr_search.app.search_tab import SearchTab
from clr_search.serve import Probe

KEEP_UPLOADS_SECONDS = 600
"""Seconds after which an uploaded file is deleted; it is read at once, and needed no longer."""

MOST_WAITING = 100
"""Largest number of events that wait to be handled; further ones are refused."""


def compose(
    name: str, explorer: Explorer, probe: Probe | None = None, *, may_remember: bool = True
) -> gr.Blocks:
    """Compose the page from its header and its tabs.

    Parameters
    ----------
    name : str
        Name of the collection.
    explorer : Explorer
        The collection.
    probe : Probe, optional
        A classifier, which adds a Classify tab.
    may_remember : bool
        Whether what a visitor says about copies is remembered in the collection.
    """
    review = Review(explorer.index.path, explorer.workers.load, may_remember=may_remember)
    page = gr.Blocks(
        title=f"{name} · clr-search",
        analytics_enabled=False,
        delete_cache=(60, KEEP_UPLOADS_SECONDS),
        fill_width=True,
    )
    with page:
        page.queue(max_size=MOST_WAITING)
        top = fragment(header(name, len(explorer)))
        with gr.Tabs():
            with gr.Tab("Search", id="search"):
                SearchTab(explorer, page)
            if probe:
                with gr.Tab("Classify", id="classify"):
                    ClassifyTab(probe, explorer)
            with gr.Tab("Copies", id="copies"):
                CopiesTab(explorer, review)
            with gr.Tab("About", id="about") as about_tab:
                content = fragment("", elem_id="clr-about")
        page.load(
            lambda: header(name, len(explorer)),
            outputs=top,
            show_progress="hidden",
            api_visibility="private",
        )
        about_tab.select(
            lambda: about(explorer, probe),
            outputs=content,
            show_progress="hidden",
            api_visibility="private",
        )
        page.load(None, js=PASTE_AND_DROP)
    return page
