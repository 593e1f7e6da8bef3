/**
 * The Groups tab: like pictures together, and those that are like no other.
 */

import { button, counted, fill, h, icon } from './dom.js';
import { Grid } from './grid.js';
import { thumbnail, turns } from './server.js';
import { waiting } from './waiting.js';

const POLL = 700;
const FIRST = 48;
const NUMBERS = [0, 5, 10, 20, 40, 70, 100];

/**
 * @typedef {object} Group
 * @property {number} size
 * @property {string} label
 * @property {number} share
 * @property {import('./types.js').Row[]} rows
 */

/** @param {import('./types.js').App} app */
export function panel(app) {
  /** @type {Group[]} */
  let groups = [];
  let drawn = -1;
  let alone = 0;
  let asked = '';
  const turn = turns();

  const wait = waiting();
  const empty = h('p', { class: 'clr-empty', hidden: true }, 'The collection is empty. Add pictures with clr-search build-index.');
  const select = h('select', { onchange: () => app.go({ groups: Number(select.value), open: '' }) },
    NUMBERS.map((value) => h('option', { value }, value ? String(value) : 'as many as suit')));
  const odd = button('Pictures like no other', () => app.go({ open: 'alone' }));
  const status = h('p', { class: 'clr-status' });
  const bar = h('div', { class: 'clr-map-bar' },
    h('label', { class: 'clr-map-choice' }, h('span', {}, 'How many groups'), select), odd,
    button('On the map', () => app.go({ tab: 'map', colour: 'group', off: '' })), status);
  const list = h('ul', { class: 'clr-strips', role: 'list', 'aria-label': 'Groups' });
  const heading = h('h2', { tabindex: -1 });
  const about = h('p', { class: 'clr-hint' });
  const chooseAll = button('Choose all', () => choose());
  const onMap = button('On the map', () => app.go({ tab: 'map', colour: 'group', off: groups.map((_, at) => at).filter((at) => String(at) !== app.state().open).join('.') }));
  const grid = new Grid({
    label: 'Pictures of the group',
    selection: app.selection,
    fail: app.fail,
    choose: (row) => app.go({ tab: 'search', terms: [{ id: row.id, weight: 1 }] }),
    look: (_, at) => app.look(grid.known(), at),
    refine: app.refine,
    load: async (offset, count) => (await part(app.state(), offset, count)).rows,
  });
  const one = h('div', { hidden: true },
    h('div', { class: 'clr-map-area' }, button([icon('left'), 'All groups'], () => app.go({ open: '' })), heading, chooseAll, onMap), about, grid.element);
  const first = h('p', { class: 'clr-hint' }, 'Each strip shows the most typical picture of a group first, then others, up to the oddest.');
  const all = h('div', { hidden: true }, bar, first, list);
  const element = h('section', { class: 'clr-groups' }, wait.element, empty, all, one);

  /**
   * @param {import('./types.js').State} state
   * @param {number} offset
   * @param {number} count
   */
  function part({ open, groups: number }, offset, count) {
    if (open === 'alone') return app.ask('alone', { groups: number, offset, count });
    return app.ask('group', { groups: number, group: Number(open), offset, count });
  }

  async function choose() {
    const { open, groups: number } = app.state();
    try {
      const { ids } = await app.ask('members', { groups: number, group: open === 'alone' ? -1 : Number(open) });
      app.selection.add(ids);
    } catch (error) {
      app.fail(error);
    }
  }

  /** @param {import('./types.js').State} state */
  async function show(state) {
    if (![...select.options].some((option) => option.value === String(state.groups))) {
      select.append(h('option', { value: state.groups }, state.groups));
    }
    select.value = String(state.groups);
    if (!(await made(state))) return;
    const open = /^(alone|\d{1,2})$/.test(state.open) ? state.open : '';
    all.hidden = open !== '';
    one.hidden = open === '';
    if (open) await look(state, open);
    else strips(state);
  }

  /**
   * Wait until there are groups; false where something else is shown meanwhile.
   *
   * @param {import('./types.js').State} state
   */
  async function made(state) {
    const last = turn();
    for (;;) {
      const told = await app.ask('groups', { groups: state.groups });
      if (!last()) return false;
      empty.hidden = !told.empty;
      wait.show(told.ready ? '' : told.stage, told.seconds);
      if (told.empty || !told.ready) all.hidden = one.hidden = true;
      if (told.empty) return false;
      if (told.ready) {
        if (JSON.stringify(groups) !== JSON.stringify(told.groups)) {
          groups = told.groups;
          drawn = -1;
          asked = '';
        }
        alone = told.alone;
        return true;
      }
      await new Promise((done) => setTimeout(done, POLL));
      if (!last() || app.state().tab !== 'groups') return false;
    }
  }

  /** @param {import('./types.js').State} state */
  function strips(state) {
    odd.hidden = !alone;
    const said = counted(groups.length, 'group');
    status.textContent = said;
    if (drawn === state.groups) return;
    drawn = state.groups;
    app.say(said);
    fill(list, groups.map((group, at) => h('li', {}, strip(group, at))));
  }

  /**
   * @param {Group} group
   * @param {number} at
   */
  function strip(group, at) {
    return h(
      'button',
      { type: 'button', class: 'clr-strip', onclick: () => app.go({ open: String(at) }) },
      h('span', { class: 'clr-strip-text' }, h('b', {}, title(group, at)), h('span', {}, counted(group.size)), mostly(group)),
      h('span', { class: 'clr-strip-pictures' }, group.rows.filter((row) => row.name !== undefined && !row.missing).map((row) => {
        const image = h('img', { alt: '', loading: 'lazy', decoding: 'async', src: thumbnail(row), draggable: 'false', onerror: () => image.remove() });
        return image;
      })),
    );
  }

  /**
   * @param {import('./types.js').State} state
   * @param {string} open
   */
  async function look(state, open) {
    const wanted = JSON.stringify([open, state.groups]);
    if (wanted === asked) return;
    asked = wanted;
    const group = groups[Number(open)];
    heading.textContent = open === 'alone' ? 'Pictures like no other' : group ? `${title(group, Number(open))}, ${counted(group.size)}` : 'Group';
    about.textContent = open === 'alone'
      ? 'The number is the similarity to the nearest other picture: the smaller, the lonelier. Scans gone wrong, strays and treasures are among them.'
      : 'The most typical come first, the odd ones last.';
    onMap.hidden = open === 'alone';
    grid.show(0, []);
    const found = await part(state, 0, FIRST);
    if (asked !== wanted) return;
    grid.show(found.total, found.rows);
    heading.focus({ preventScroll: true });
    app.say(`${heading.textContent}. ${about.textContent}`);
  }

  return { element, show };
}

/**
 * @param {Group} group
 * @param {number} at
 */
function title(group, at) {
  return group.label ? `${at + 1} · ${group.label}` : `Group ${at + 1}`;
}

/** @param {Group} group */
function mostly(group) {
  return group.label ? h('span', {}, `${Math.round(100 * group.share)} % of them`) : null;
}
