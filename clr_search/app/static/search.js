/**
 * The Search tab: what is searched for, what it must be, and the pictures that are found.
 */

import { NOTHING, searchOf } from './address.js';
import { bringing } from './bringing.js';
import { button, counted, duration, fill, h, icon } from './dom.js';
import { filters } from './filters.js';
import { Grid } from './grid.js';
import { thumbnail, turns } from './server.js';

const FIRST = 48;

/** @param {import('./types.js').App} app */
export function panel(app) {
  const status = h('p', { class: 'clr-status' });
  const empty = h('div', { class: 'clr-empty', hidden: true });
  const chips = h('ul', { class: 'clr-chips', role: 'list', 'aria-label': 'Query' });
  const grid = new Grid({
    label: 'Pictures',
    selection: app.selection,
    fail: app.fail,
    choose: (row) => app.go({ terms: [{ id: row.id, weight: 1 }] }),
    look: (_, at) => app.look(grid.known(), at),
    refine: app.refine,
    load: async (offset, count) => {
      const search = searchOf(app.state());
      const found = await app.ask('find', { search, offset, count });
      if (found.total < grid.total && JSON.stringify(search) === asked) grid.shorten(found.total);
      return found.rows;
    },
  });
  const bring = bringing(app, (terms) => {
    const state = app.state();
    const known = state.terms.filter((term) => term.upload && bring.held);
    app.go({ terms: [...known, ...terms] });
  });
  const chance = button([icon('dice'), 'Surprise me'], async () => {
    try {
      const { id } = await app.ask('chance', { search: searchOf(app.state()) });
      app.go({ terms: [{ id, weight: 1 }] });
    } catch (error) {
      app.fail(error);
    }
  });
  const sieve = filters(app);
  const element = h(
    'section',
    { class: 'clr-search' },
    h('div', { class: 'clr-query' }, bring.element, chips, h('div', { class: 'clr-query-end' }, chance)),
    sieve.element,
    status,
    empty,
    grid.element,
  );
  let asked = '';
  const turn = turns();

  /** @param {import('./types.js').State} state */
  async function show(state) {
    sieve.show(state);
    const search = searchOf(state);
    const wanted = JSON.stringify(search);
    if (wanted === asked) return;
    asked = wanted;
    const last = turn();
    element.setAttribute('aria-busy', 'true');
    const slow = setTimeout(() => {
      status.textContent = 'Searching …';
    }, 500);
    try {
      const [found, told] = await Promise.all([
        app.ask('find', { search, offset: 0, count: FIRST }),
        state.terms.length ? app.ask('terms', { terms: state.terms }) : { terms: [] },
      ]);
      if (!last()) return;
      app.settle();
      query(state, told.terms);
      grid.show(found.total, found.rows);
      tell(state, found, told.terms);
      const far = grid.element.getBoundingClientRect().top < 0;
      if (far) element.scrollIntoView({ block: 'start' });
    } catch (error) {
      if (!last()) return;
      asked = '';
      app.fail(error);
      if (state.terms.length) await explain(state);
      grid.show(0, []);
      status.textContent = '';
      empty.hidden = true;
    } finally {
      clearTimeout(slow);
      if (last()) element.removeAttribute('aria-busy');
    }
  }

  /**
   * Show the pictures of a query that could not be answered, so that one can be taken out.
   *
   * @param {import('./types.js').State} state
   */
  async function explain(state) {
    const rows = await Promise.all(
      state.terms.map((term) =>
        app.ask('terms', { terms: [term] }).then((told) => told.terms[0]).catch(() => ({ gone: 'gone' })),
      ),
    );
    query(state, rows);
  }

  /**
   * @param {import('./types.js').State} state
   * @param {import('./types.js').Row[]} rows
   */
  function query(state, rows) {
    const single = state.terms.length === 1 && state.terms[0].weight === 1;
    fill(chips, state.terms.map((term, at) => chip(state, term, rows[at] ?? {}, at, single)));
  }

  /**
   * @param {import('./types.js').State} state
   * @param {import('./types.js').Term} term
   * @param {import('./types.js').Row} row
   * @param {number} at
   * @param {boolean} single
   */
  function chip(state, term, row, at, single) {
    const name = row.gone ? 'no longer here' : (row.name ?? 'removed');
    /** @param {number} weight */
    const weigh = (weight) => {
      const terms = state.terms.map((one, place) => (place === at ? { ...one, weight } : one));
      app.go({ terms });
    };
    const without = state.terms.filter((_, place) => place !== at);
    const sign = term.weight < 0 ? '−' : '+';
    const size = Math.abs(term.weight);
    const picture = row.name === undefined || row.gone
      ? h('span', { class: 'clr-chip-picture' })
      : h('button', { type: 'button', class: 'clr-chip-picture', 'aria-label': `Look at ${name}, or choose a part`, onclick: () => app.look([row], 0) }, cropped(row, term));
    return h(
      'li',
      { class: `clr-chip ${term.weight < 0 ? 'clr-against' : ''}` },
      picture,
      h(
        'span',
        { class: 'clr-chip-text' },
        h('b', { title: name }, name),
        h('span', {}, term.crop ? 'a part of it' : (row.folder || (row.upload ? 'yours' : row.label) || '')),
      ),
      !single &&
        h(
          'label',
          { class: 'clr-weight' },
          h('span', { class: 'clr-spoken' }, `Weight of ${name}`),
          h(
            'select',
            {
              onchange: (/** @type {Event} */ event) => {
                weigh(Number(/** @type {HTMLSelectElement} */ (event.target).value));
              },
            },
            [2, 1, 0.5, -0.5, -1, -2].concat([2, 1, 0.5].includes(size) ? [] : [term.weight]).map((value) =>
              h('option', { value, selected: value === term.weight }, `${value < 0 ? '−' : '+'}${Math.abs(value)}`),
            ),
          ),
        ),
      button(icon('close'), () => app.go({ terms: without }), { class: 'clr-bare', 'aria-label': `Take ${name} out of the query (${sign})` }),
    );
  }

  /**
   * @param {import('./types.js').State} state
   * @param {any} found
   * @param {import('./types.js').Row[]} rows
   */
  function tell(state, found, rows) {
    const names = rows.map((row) => row.name).filter(Boolean);
    const like = names.length === 1 ? ` like ${names[0]}` : names.length ? ' like these' : '';
    const several = found.capped ? `The nearest ${counted(found.total)}` : counted(found.total);
    const among = found.total === found.all || !like ? '' : ` among ${found.all.toLocaleString('en')}`;
    const time = like ? `, in ${duration(found.seconds)}` : '';
    status.textContent = found.total ? `${several}${like}${among}${time}` : '';
    app.say(found.total ? `${several}${like}` : 'No pictures');
    empty.hidden = found.total > 0;
    if (found.total) return;
    const limited = state.least > 0;
    fill(
      empty,
      h('p', {}, found.all === 0 ? 'The collection is empty. Add pictures with clr-search build-index.' : limited
        ? 'Nothing in the collection is so like this.'
        : 'No picture matches these filters.'),
      limited
        ? button('Show what is less alike', () => app.go({ least: 0 }))
        : button('Take the filters away', () => app.go({ ...NOTHING, terms: state.terms })),
    );
  }

  return { element, show };
}

/**
 * Return the picture of a query, or the part of it that counts.
 *
 * @param {import('./types.js').Row} row
 * @param {import('./types.js').Term} term
 */
function cropped(row, term) {
  const image = h('img', { alt: '', src: thumbnail(row) });
  if (!term.crop) return image;
  const [left, top, width, height] = term.crop;
  image.style.cssText =
    `object-fit: fill; position: absolute; width: ${100 / width}%; height: ${100 / height}%; ` +
    `left: ${(-100 * left) / width}%; top: ${(-100 * top) / height}%;`;
  return image;
}
