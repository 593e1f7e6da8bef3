/**
 * What a map is coloured by: labels, folders, groups, or likeness to the query.
 */

import { h } from './dom.js';
import { legend, readOff } from './map_legend.js';
import { codes } from './map_answers.js';
import { colourOf, OTHER, paletteOf, rampOf } from './map_colours.js';
import { turns } from './server.js';

const POLL = 700;
/** @type {Record<string, string>} */
const TITLES = { label: 'Labels', folder: 'Folders', group: 'Groups', score: 'Likeness to the query', none: 'One colour' };

/**
 * @param {import('./types.js').App} app
 * @param {import('./map_stage.js').Stage} stage
 */
export function colouring(app, stage) {
  /** @type {Record<string, number>} */
  let offered = { labels: 0, folders: 0 };
  let drawn = '';
  const turn = turns();
  /** @type {{header: any, codes: Uint8Array}} */
  let known = { header: {}, codes: new Uint8Array(0) };

  const select = h('select', {
    onchange: () => app.go({ colour: select.value, off: '' }),
  }, Object.entries(TITLES).map(([value, title]) => h('option', { value }, title)));
  const choice = h('label', { class: 'clr-map-choice' }, h('span', {}, 'Colour by'), select);
  const key = legend((off) => app.go({ off }, { replace: true }));

  /** @param {import('./types.js').State} state */
  function chosen(state) {
    if (state.colour === 'score' ? state.terms.length : state.colour in TITLES) return state.colour;
    if (offered.labels > 1) return 'label';
    return offered.folders > 1 ? 'folder' : 'group';
  }

  /**
   * @param {string} by
   * @param {import('./types.js').State} state
   * @param {object} search
   */
  async function fetched(by, state, search) {
    if (by === 'none') return { header: { names: [], counts: [] }, codes: new Uint8Array(stage.rows.ids.length).fill(OTHER) };
    if (by === 'score') return codes(`score?search=${encodeURIComponent(JSON.stringify(search))}`);
    if (by !== 'group') return codes(by);
    while (!(await app.ask('groups', { groups: state.groups, brief: true })).ready) {
      await new Promise((done) => setTimeout(done, POLL));
    }
    return codes(`group?groups=${state.groups}`);
  }

  /**
   * Colour the map as the address says.
   *
   * @param {string} token of the map
   * @param {import('./types.js').State} state
   * @param {object} search
   */
  async function show(token, state, search) {
    const by = chosen(state);
    select.value = by;
    const hopeless = /** @type {HTMLOptionElement} */ (select.querySelector('[value=score]'));
    hopeless.disabled = !state.terms.length;
    const wanted = JSON.stringify([token, by, by === 'group' && state.groups, by === 'score' && state.terms]);
    const off = by === 'score' ? new Set() : readOff(state.off);
    const last = turn();
    if (!drawn.startsWith(wanted)) {
      const got = await fetched(by, state, search);
      if (!last()) return;
      known = got;
    }
    const now = `${wanted}${[...off].join('.')}`;
    if (now === drawn) return;
    drawn = now;
    /** @type {(code: number) => number[]} */
    const paint = by === 'score' ? (code) => rampOf(code / 254) : by === 'none' ? () => [90, 130, 200] : colourOf;
    stage.colour(known.codes, paletteOf(paint, off), paint, by === 'score' ? 1.2 : 0);
    const { header } = known;
    if (by === 'score') key.scores(header.low, header.high);
    else if (by === 'none') key.nothing();
    else key.classes(wanted, TITLES[by], header.names, header.counts, stage.rows.ids.length, off);
  }

  /** @param {any} told what there is to colour by */
  function offer(told) {
    offered = told;
    for (const [name, count] of [['label', told.labels], ['folder', told.folders]]) {
      /** @type {HTMLOptionElement} */ (select.querySelector(`[value=${name}]`)).hidden = !count;
    }
  }

  return { choice, legend: key.element, show, offer };
}
