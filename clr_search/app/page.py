"""The page: one component of Gradio that carries it, and endpoints for programs.

Gradio is the host. Its HTML component runs a script of `static/`, which draws the page and asks the
functions of `functions/`; answers are rows of values, never HTML. What visitors look at stands in
the address of the page, so that nothing of a visit is kept here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import gradio as gr

from clr_search.app.functions.about import About
from clr_search.app.functions.carried import Answer, carried
from clr_search.app.functions.copies import Copies
from clr_search.app.functions.search import Searching
from clr_search.app.functions.training import Training
from clr_search.app.programs import add_endpoints

if TYPE_CHECKING:
    from clr_search.app.library.asked import Asked
    from clr_search.app.library.copies import CopySearch
    from clr_search.app.library.library import Library
    from clr_search.app.library.permissions import Permissions
    from clr_search.app.library.run import RunFolder
    from clr_search.serve import Probe

MOST_WAITING = 100
"""Largest number of events of programs that wait to be handled; further ones are refused."""

BOOT = """
const begin = (attempt) => import(new URL('clr/static/main.js', document.baseURI).href)
  .then((page) => page.start(element, server, props.asked))
  .catch((error) => {
    if (attempt < 3) { setTimeout(() => begin(attempt + 1), 700); return; }
    element.textContent = 'The page could not be loaded: ' + error + ' Load it again.';
  });
begin(0);
"""
"""The script of the component: it loads the page, which is made of modules."""

WAITING = '<div class="clr-app" aria-busy="true"><p class="clr-opening">Opening …</p></div>'
"""What the component shows until its script has come."""


def functions(
    library: Library, permissions: Permissions, probe: Probe | None, copies: CopySearch
) -> list[Callable[[Asked], Answer]]:
    """Return all questions that the page may ask."""
    search, about = Searching(library, permissions), About(library, probe)
    copied = Copies(library, permissions, copies)
    return [
        search.find,
        search.rows,
        search.terms,
        search.item,
        search.chance,
        search.offers,
        search.reveal,
        about.about,
        about.missing,
        copied.copies,
        copied.copies_begin,
        copied.copies_stop,
        copied.copies_groups,
        copied.copies_facts,
        copied.copies_say,
    ]


def compose(
    name: str,
    library: Library,
    permissions: Permissions,
    copies: CopySearch,
    probe: Probe | None = None,
    run: RunFolder | None = None,
) -> gr.Blocks:
    """Compose the page.

    Parameters
    ----------
    name : str
        Name of the collection.
    library : Library
        The collection.
    permissions : Permissions
        What visitors may see and do.
    copies : CopySearch
        The search for copies.
    probe : Probe, optional
        A classifier that classifies what is searched.
    run : RunFolder, optional
        A run to show, too.
    """
    asked = functions(library, permissions, probe, copies)
    if run is not None:
        asked += of_run(run)
    page = _page(name, asked)
    with page:
        add_endpoints(library, permissions)
    return page


def of_run(run: RunFolder) -> list[Callable[[Asked], Answer]]:
    """Return the questions about a run."""
    training = Training(run)
    return [training.training, training.neighbours]


def compose_run(name: str, run: RunFolder) -> gr.Blocks:
    """Compose a page that shows a run alone."""
    return _page(name, of_run(run))


def _page(name: str, asked: list[Callable[[Asked], Answer]]) -> gr.Blocks:
    """Return a page that asks some questions; its tabs are those whose questions there are."""
    page = gr.Blocks(title=f"{name} · clr-search", analytics_enabled=False, fill_width=True)
    with page:
        page.queue(max_size=MOST_WAITING)
        gr.HTML(
            html_template=WAITING,
            js_on_load=BOOT,
            server_functions=[carried(each) for each in asked],
            apply_default_css=False,
            padding=False,
            elem_id="clr-page",
            collection=name,
            asked=[each.__name__ for each in asked],
        )
    return page
