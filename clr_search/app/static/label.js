/**
 * The Label tab: a person names classes and labels pictures, the app learns and proposes the next.
 */

import { classList, knowledge } from './classes.js';
import { classifying, whole } from './classify.js';
import { confusions } from './confusions.js';
import { button, counted, fill, h, isTyping, percent } from './dom.js';
import { Grid } from './grid.js';
import { Labels } from './labels.js';
import { turns } from './server.js';
import { taking } from './taking.js';
import { NOTHING_THERE, said, VIEWS } from './views.js';

const PROPOSED = 24;
const MOST_SKIPPED = 2000;

/** @param {import('./types.js').App} app */
export function panel(app) {
  const labels = new Labels(app);
  const side = classList(app, labels, choose);
  const known = h('div', { class: 'clr-known' });
  const takes = taking(app, labels);
  const matrix = confusions(app);
  const one = classifying(app);
  const all = whole(app);
  const status = h('p', { class: 'clr-status' });
  const empty = h('div', { class: 'clr-empty', hidden: true });
  const more = button('Next ones (n)', () => propose(), { hidden: true });
  const doors = VIEWS.map(([show, title]) => button(title, () => app.go({ show, of: '', as: '' }), { class: 'clr-label-view', 'data-show': show }));
  let list = '';
  let asked = '';
  const turn = turns();
  let hovered = -1;
  let pointing = false; // whether the mouse was moved after the last step by a key
  /** @type {Set<number>} */
  const skipped = new Set();

  const grid = new Grid({
    label: 'Pictures to label',
    selection: app.selection,
    fail: app.fail,
    choose: (row, at) => {
      if (!labels.active || !may()) app.look(grid.known(), at);
      else put(row, row.label === labels.active ? '' : labels.active);
    },
    look: (_, at) => app.look(grid.known(), at),
    digit: (row, digit) => {
      const at = pointing ? grid.rows[hovered] : undefined;
      press(at ?? row, digit, !at);
    },
    load: async (offset, count) => {
      const found = await app.ask('pictures', { list, ...wanted(app.state()), offset, count });
      return found.rows.map(dressed);
    },
  });
  grid.element.addEventListener('pointerover', (event) => {
    hovered = grid.placeOf(event.target);
  });
  grid.element.addEventListener('pointermove', (event) => {
    if (event.movementX || event.movementY) pointing = true;
  });
  grid.element.addEventListener('pointerleave', () => {
    hovered = -1;
  });
  grid.element.addEventListener('keydown', (event) => {
    if (/^(Arrow|Page|Home|End|Tab)/.test(event.key)) pointing = false;
  });
  const element = h(
    'section',
    { class: 'clr-label' },
    h('div', { class: 'clr-label-side' },
      side.element,
      folded('Accuracy', known),
      folded('Take away', takes.element)),
    h('div', { class: 'clr-label-main' },
      h('div', { class: 'clr-label-views', role: 'group', 'aria-label': 'What is shown' }, doors),
      matrix.element, one.element, all.element,
      h('div', { class: 'clr-label-status' }, status, more),
      empty,
      grid.element),
  );

  const may = () => app.offers.may.write !== false;

  labels.addEventListener('change', () => {
    side.show();
    fill(known, ...knowledge(labels.lesson));
    takes.show();
  });
  labels.addEventListener('labels', (event) => mark(/** @type {CustomEvent<Map<number, string>>} */ (event).detail));
  labels.addEventListener('lost', () => {
    asked = '';
    show(app.state());
  });
  document.addEventListener('clr-offers', () => side.show());
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) || !element.getClientRects().length) return;
    const row = grid.rows[hovered];
    if (/^[0-9]$/.test(event.key) && (row || app.selection.size)) press(row, Number(event.key), false);
    else if (event.key === 'z') labels.undo();
    else if (event.key === 'n' && !more.hidden) propose();
    else return;
    event.preventDefault();
  });

  /** A class was clicked: it labels the pictures that are chosen, or those that are clicked next. @param {string} name */
  function choose(name) {
    if (!app.selection.size || !may()) labels.activate(name);
    else putChosen(name);
  }

  /** @param {string} name */
  function putChosen(name) {
    const ids = [...app.selection.ids];
    app.selection.clear();
    labels.put(ids, name).then(settled);
    app.say(name ? `${counted(ids.length)}: ${name}` : `${counted(ids.length)} without a label`);
  }

  /**
   * @param {import('./types.js').Row | undefined} row
   * @param {number} digit
   * @param {boolean} onward
   */
  function press(row, digit, onward) {
    if (!may()) return;
    const name = digit ? labels.classes()[digit - 1]?.name : '';
    if (name === undefined) return;
    if (app.selection.size) {
      putChosen(name);
      return;
    }
    if (!row || row.id === undefined) return;
    put(row, name);
    if (onward && grid.active < grid.total - 1) grid.activate(grid.active + 1, true);
  }

  /** @param {import('./types.js').Row} row @param {string} name */
  function put(row, name) {
    if (row.id === undefined) return;
    labels.put([row.id], name).then(settled);
    app.say(name ? `${row.name}: ${name}` : `${row.name}: no label`);
  }

  /** Once all pictures that were proposed have a label, there are new ones. */
  function settled() {
    if (more.hidden || labels.sending) return;
    if (grid.known().every((row) => row?.label)) propose(false);
    else tell();
  }

  /** @param {Map<number, string>} given */
  function mark(given) {
    if (!grid.total) {
      labels.dispatchEvent(new Event('lost'));
      return;
    }
    grid.rows.forEach((row, at) => {
      const label = row?.id === undefined ? undefined : given.get(row.id);
      if (!row || label === undefined) return;
      row.label = label || null;
      grid.rows[at] = dressed(row);
      grid.redraw(at);
    });
  }

  /** Propose other pictures; those that were left out are not proposed again. */
  async function propose(leave = true) {
    const last = turn();
    if (leave) for (const row of grid.known()) if (row?.id !== undefined && !row.label) skipped.add(row.id);
    const focused = grid.element.contains(document.activeElement);
    try {
      const { rows } = await app.ask('proposals', { count: PROPOSED, skip: [...skipped].slice(-MOST_SKIPPED) });
      if (!last()) return;
      grid.show(rows.length, rows.map(dressed));
      if (focused && rows.length) grid.activate(0, true);
      tell();
    } catch (error) {
      app.fail(error);
    }
  }

  /** @param {import('./types.js').State} state */
  async function show(state) {
    const last = turn();
    for (const door of doors) door.setAttribute('aria-pressed', String(door.dataset.show === (state.show === 'guess' || state.show === 'novel' ? 'all' : state.show === 'cell' ? 'matrix' : state.show)));
    const key = JSON.stringify([wanted(state), state.terms]);
    if (key === asked) return;
    asked = key;
    const view = state.show;
    matrix.element.hidden = view !== 'matrix';
    one.element.hidden = view !== 'one';
    all.element.hidden = !['all', 'guess', 'novel'].includes(view);
    const slow = setTimeout(() => {
      status.textContent = 'Reading the collection …';
    }, 400);
    try {
      await labels.sending;
      await labels.refresh();
      if (!last()) return;
      app.settle();
      await fetchView(state, last);
    } catch (error) {
      if (!last()) return;
      asked = '';
      grid.show(0, []);
      status.textContent = '';
      app.fail(error);
    } finally {
      clearTimeout(slow);
    }
  }

  /** @param {import('./types.js').State} state @param {() => boolean} last */
  async function fetchView(state, last) {
    more.hidden = true;
    empty.hidden = true;
    const view = state.show;
    if (['matrix', 'one', 'all'].includes(view)) {
      grid.show(0, []);
      status.textContent = '';
      await { matrix, one, all }[/** @type {'matrix' | 'one' | 'all'} */ (view)].show(state);
      return;
    }
    if (!all.element.hidden) await all.show(state);
    if (!view) {
      more.hidden = false;
      await propose(false);
      return;
    }
    const found = await app.ask('pictures', { ...wanted(state), offset: 0, count: 48 });
    if (!last()) return;
    list = found.list;
    grid.show(found.total, found.rows.map(dressed));
    tell();
  }

  function tell() {
    const { lesson } = labels;
    if (!lesson) return;
    const state = app.state();
    const view = state.show;
    const left = lesson.total - lesson.labelled;
    status.textContent = grid.total ? said(state, grid.total, lesson) : '';
    empty.hidden = grid.total > 0;
    if (grid.total) return;
    more.hidden = true;
    if (!view && !left) fill(empty, ...finished(lesson));
    else fill(empty, h('p', {}, view ? NOTHING_THERE[view] ?? 'There are none.' : 'You have seen all that is left.'), !view && button('Show them again', () => { skipped.clear(); more.hidden = false; propose(false); }));
  }

  /** @param {import('./labels.js').Lesson} lesson */
  function finished(lesson) {
    if (!lesson.total) return [h('p', {}, 'The collection is empty. Add pictures with clr-search build-index.')];
    const from = lesson.given ? 'Every picture has a label.' : 'Every picture has a label: the name of its folder.';
    return [
      h('p', {}, from),
      h('div', { class: 'clr-deeds' },
        button('See what is likely mislabelled', () => app.go({ show: 'wrong', of: '', as: '' }), { class: 'clr-first' }),
        may() && button('Take all labels away, and begin', () => labels.ask('relabel', { to: 'none' }))),
    ];
  }

  /** @param {import('./types.js').Row} row */
  function dressed(row) {
    if (row.name === undefined) return row;
    const guess = row.guess === undefined ? undefined : `${row.guess} ${percent(row.sure ?? 0)}`;
    return { ...row, badge: row.label ?? undefined, note: guess === undefined ? row.folder : row.label && row.label !== row.guess ? `or ${guess}` : guess };
  }

  return { element, show };
}

/** @param {import('./types.js').State} state */
function wanted({ show, of, as }) {
  return { show, of, as };
}

/**
 * A card that can be closed; on narrow windows it is at first.
 *
 * @param {string} title
 * @param {HTMLElement} content
 */
function folded(title, content) {
  const open = window.matchMedia('(min-width: 761px)').matches;
  return h('details', { class: 'clr-card clr-folded', open }, h('summary', {}, title), content);
}
