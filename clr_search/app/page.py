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
from clr_search.app.functions.classify import Classifying
from clr_search.app.functions.copies import Copies
from clr_search.app.functions.groups import Groups
from clr_search.app.functions.label import Labelling
from clr_search.app.functions.map import Mapping
from clr_search.app.functions.search import Searching
from clr_search.app.functions.training import Training
from clr_search.app.programs.actions import Actions
from clr_search.app.programs.endpoints import add_endpoints

if TYPE_CHECKING:
    from clr_search.app.library.asked import Asked
    from clr_search.app.library.run import RunFolder
    from clr_search.app.parts import Parts

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


def functions(parts: Parts) -> list[Callable[[Asked], Answer]]:
    """Return all questions that the page may ask."""
    search = Searching(parts.library, parts.permissions)
    about = About(parts.library, parts.probe)
    mapping, groups = Mapping(parts.overview), Groups(parts.overview)
    labelling = Labelling(parts.teacher, parts.finishing, parts.permissions)
    classifying = Classifying(parts.teacher, parts.finishing, parts.probe)
    copied = Copies(parts.library, parts.permissions, parts.copies)
    return [
        search.find,
        search.rows,
        search.terms,
        search.item,
        search.chance,
        search.offers,
        search.reveal,
        mapping.chart,
        groups.groups,
        groups.group,
        groups.alone,
        groups.members,
        about.about,
        about.missing,
        labelling.lesson,
        labelling.label,
        labelling.rename,
        labelling.relabel,
        labelling.undo,
        labelling.proposals,
        labelling.pictures,
        labelling.confusion,
        classifying.classifiers,
        classifying.classify,
        classifying.all,
        classifying.finish,
        classifying.finished,
        copied.copies,
        copied.copies_begin,
        copied.copies_stop,
        copied.copies_groups,
        copied.copies_facts,
        copied.copies_say,
        *(of_run(parts.run) if parts.run else ()),
    ]


def of_run(run: RunFolder) -> list[Callable[[Asked], Answer]]:
    """Return the questions about a run."""
    training = Training(run)
    return [training.training, training.neighbours]


def compose(parts: Parts, actions: Actions) -> gr.Blocks:
    """Compose the page of a collection, of its parts and of what programs may ask."""
    page = _page(parts.name, functions(parts))
    with page:
        add_endpoints(actions)
    return page


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
