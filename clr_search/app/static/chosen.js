/**
 * The bar with what can be done with the pictures that are chosen.
 */

import { button, counted, fill, h } from './dom.js';
import { take } from './server.js';

/**
 * @param {import('./types.js').App} app
 * @returns {HTMLElement}
 */
export function chosenBar(app) {
  const bar = h('div', { class: 'clr-chosen-bar', role: 'region', 'aria-label': 'Chosen pictures', hidden: true });
  const { selection } = app;

  /**
   * @param {'csv' | 'sheet' | 'zip'} kind
   * @param {HTMLButtonElement} door
   */
  const give = async (kind, door) => {
    door.setAttribute('aria-busy', 'true');
    try {
      await take(kind, [...selection.ids]);
    } catch (error) {
      app.fail(error);
    } finally {
      door.removeAttribute('aria-busy');
    }
  };
  /** @type {(text: string, kind: 'csv' | 'sheet' | 'zip') => HTMLButtonElement} */
  const door = (text, kind) => {
    const one = button(text, () => give(kind, one));
    return one;
  };

  selection.addEventListener('change', () => {
    bar.hidden = selection.size === 0;
    if (bar.hidden) return;
    const few = selection.size <= 32;
    fill(
      bar,
      h('b', {}, `${counted(selection.size)} chosen`),
      button('Search with them', () => searchWith(), few ? {} : { disabled: true, title: 'At most 32 at a time' }),
      door('Table (CSV)', 'csv'),
      door('Contact sheet', 'sheet'),
      app.offers.may.originals && door('Files (zip)', 'zip'),
      button('Choose none', () => selection.clear()),
    );
    app.say(`${counted(selection.size)} chosen`);
  });

  function searchWith() {
    const terms = [...selection.ids].map((id) => ({ id, weight: 1 }));
    selection.clear();
    app.go({ tab: 'search', terms });
  }
  return bar;
}
