/**
 * The Map tab: all pictures in the plane, like ones together.
 */

import { searchOf } from './address.js';
import { button, counted, fill, h, icon } from './dom.js';
import { Grid } from './grid.js';
import { places } from './map_answers.js';
import { readArea, writtenArea } from './map_cells.js';
import { colouring } from './map_colouring.js';
import { Stage } from './map_stage.js';
import { waiting } from './waiting.js';

const AGAIN = 10_000; // milliseconds after which it is asked whether the collection has changed
const POLL = 700;
const MOST_CHOSEN = 5000;
const NO_WEBGL =
  'This browser cannot draw the map, as it has no WebGL 2. Switch on hardware acceleration in its settings, or use another browser.';

/** @param {import('./types.js').App} app */
export function panel(app) {
  let token = '';
  let asked = -AGAIN;
  let timer = 0;
  let listed = '';
  /** @type {number[]} */
  let inside = [];

  const stage = new Stage({
    app,
    choose: (id) => app.go({ tab: 'search', terms: [{ id, weight: 1 }] }),
    lasso: (corners) => {
      drawAround(false);
      app.go({ area: writtenArea(corners) });
    },
    list: () => listSeen(),
    rested: () => {
      const at = stage.camera.written;
      const state = app.state();
      if (token && state.tab === 'map' && at !== state.at) app.go({ at }, { replace: true });
    },
  });
  const colours = colouring(app, stage);
  const wait = waiting();
  const status = h('p', { class: 'clr-status' });
  const empty = h('div', { class: 'clr-empty', hidden: true });
  const note = h('p', { class: 'clr-spoken', id: 'clr-map-note' },
    'The arrow keys move the map, plus and minus go nearer and farther, 0 shows all of it. Enter lists the pictures that are seen, below the map.');
  const draw = button([icon('lasso'), 'Draw around'], () => drawAround(!stage.drawing), { 'aria-pressed': 'false', title: 'Draw around pictures to list them (or drag with Shift)' });
  const tools = h('div', { class: 'clr-map-tools' },
    h('div', { class: 'clr-map-zoom' },
      tool('plus', 'Nearer', () => stage.camera.nearer(1.6)),
      tool('minus', 'Farther', () => stage.camera.nearer(1 / 1.6)),
      tool('whole', 'The whole map', () => stage.camera.reset())));
  stage.element.append(tools);
  const hint = h('p', { class: 'clr-hint' }, 'Drag to move, scroll to go nearer, click a picture to search from it. Drag with Shift to list the pictures around which you draw.');
  const bar = h('div', { class: 'clr-map-bar' }, colours.choice, draw, button([icon('list'), 'List what is seen'], () => listSeen()), status);
  const map = h('div', { class: 'clr-map' }, stage.element, colours.legend);
  const grid = new Grid({
    label: 'Pictures of the area',
    selection: app.selection,
    fail: app.fail,
    choose: (row) => app.go({ tab: 'search', terms: [{ id: row.id, weight: 1 }] }),
    look: (_, at) => app.look(grid.known(), at),
    refine: app.refine,
    load: async (offset, count) => (await app.ask('rows', { ids: idsOf(inside.slice(offset, offset + count)) })).rows,
  });
  const count = h('h2', {});
  const area = h('div', { class: 'clr-map-area', hidden: true }, count,
    button('Choose all', () => app.selection.add(idsOf(inside.slice(0, MOST_CHOSEN)))),
    button('Close the list', () => app.go({ area: '' })));
  const whole = h('div', { class: 'clr-map-whole', hidden: true }, bar, map, hint, note, area, grid.element);
  const element = h('section', { class: 'clr-map-tab' }, wait.element, empty, whole);

  /**
   * @param {'plus' | 'minus' | 'whole'} name
   * @param {string} title
   * @param {() => void} deed
   */
  function tool(name, title, deed) {
    return button(icon(name), () => {
      deed();
      stage.moved();
    }, { class: 'clr-bare', 'aria-label': title, title });
  }

  /** @param {number[]} points */
  function idsOf(points) {
    return points.map((at) => stage.rows.ids[at]);
  }

  /** @param {boolean} on */
  function drawAround(on) {
    stage.drawing = on;
    draw.setAttribute('aria-pressed', String(on));
    stage.element.classList.toggle('clr-map-drawing', on);
  }

  function listSeen() {
    const [left, top, right, bottom] = stage.camera.box;
    app.go({ area: writtenArea([[left, top], [right, top], [right, bottom], [left, bottom]]) });
    area.scrollIntoView({ block: 'nearest' });
  }

  /** @param {string} text */
  function tell(text) {
    whole.hidden = true;
    empty.hidden = false;
    fill(empty, h('p', {}, text), button('See the groups', () => app.go({ tab: 'groups' })));
  }

  /** Ask how far the map is, and show it. */
  async function load() {
    clearTimeout(timer);
    asked = performance.now();
    try {
      const told = await app.ask('chart');
      if (told.empty) {
        tell('The collection is empty. Add pictures with clr-search build-index.');
        return;
      }
      wait.show(told.ready ? '' : told.stage, told.seconds);
      status.textContent = told.ready && told.stage ? 'Bringing the map up to date …' : told.total > told.count ? `An even sample of ${counted(told.count)}` : '';
      if (told.ready && told.token !== token) await take(told);
      if (told.stage && app.state().tab === 'map') timer = setTimeout(load, POLL);
    } catch (error) {
      wait.show('', 0);
      asked = -AGAIN;
      app.fail(error);
    }
  }

  /** @param {any} told what there is */
  async function take(told) {
    const first = !token;
    const got = await places();
    token = got.token;
    listed = '';
    whole.hidden = false;
    stage.camera.read(app.state().at);
    stage.element.setAttribute('aria-label', `Map of ${counted(told.count)}`);
    stage.show(got.ids, got.places);
    stage.measure();
    colours.offer(told);
    if (first) app.say(`The map of ${counted(told.count)} is ready.`);
    await apply(app.state());
  }

  /** @param {import('./types.js').State} state */
  async function apply(state) {
    if (stage.camera.written !== state.at) {
      stage.camera.read(state.at);
      stage.moved();
    }
    const known = state.terms.map(({ id }) => (id === undefined ? -1 : stage.rows.ids.indexOf(id)));
    stage.marked = known.filter((at) => at >= 0);
    stage.area = readArea(state.area);
    await colours.show(token, state, searchOf(state));
    list(state);
    stage.later();
  }

  /** @param {import('./types.js').State} state */
  function list(state) {
    const wanted = JSON.stringify([token, state.area, state.off, state.colour]);
    if (wanted === listed) return;
    listed = wanted;
    area.hidden = !stage.area.length;
    inside = stage.area.length ? stage.cells.inside(stage.area).filter((at) => stage.isShown(at)) : [];
    count.textContent = inside.length ? `${counted(inside.length)} in this area` : 'No pictures in this area';
    if (stage.area.length) app.say(count.textContent);
    grid.show(inside.length, []);
  }

  return {
    element,
    /** @param {import('./types.js').State} state */
    async show(state) {
      if (!stage.points) {
        tell(NO_WEBGL);
        return;
      }
      if (token) await apply(state);
      if (performance.now() - asked > AGAIN) await load();
    },
  };
}
