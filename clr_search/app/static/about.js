/**
 * The About tab: the collection, its encoder, and what was left out.
 */

import { button, counted, fill, h } from './dom.js';

/** @param {import('./types.js').App} app */
export function panel(app) {
  const element = h('section', { class: 'clr-about' });
  const missing = h('p', { class: 'clr-hint' });
  const count = async () => {
    try {
      const found = (await app.ask('missing')).missing;
      missing.textContent = found
        ? `${counted(found)} have no file any more. Run clr-search build-index, or clr-search relocate where the folder has moved.`
        : 'Every picture has its file.';
      app.say(missing.textContent);
    } catch (error) {
      app.fail(error);
    }
  };

  return {
    element,
    /** Ask again, as the collection may have changed. */
    async show() {
      const { tables, lists } = await app.ask('about');
      fill(
        element,
        ...tables.map((/** @type {any} */ table) => card(table.title, facts(table.rows))),
        card('Files', button('Count missing files', count), missing),
        ...lists
          .filter((/** @type {any} */ list) => list.count)
          .map((/** @type {any} */ list) =>
            h(
              'div',
              { class: 'clr-card clr-wide' },
              h('h2', {}, `${list.title}: ${list.count.toLocaleString('en')}`),
              h('p', { class: 'clr-hint' }, list.what),
              facts(list.rows),
              list.count > list.rows.length &&
                h('p', { class: 'clr-hint' }, `and ${counted(list.count - list.rows.length, 'more', 'more')}: clr-search info -v lists all`),
            ),
          ),
      );
    },
  };
}

/**
 * @param {string} title
 * @param {...import('./dom.js').Child} content
 */
export function card(title, ...content) {
  return h('div', { class: 'clr-card' }, h('h2', {}, title), ...content);
}

/** @param {[string, string][]} rows */
function facts(rows) {
  return h(
    'table',
    { class: 'clr-facts-table' },
    h('tbody', {}, rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, value)))),
  );
}
