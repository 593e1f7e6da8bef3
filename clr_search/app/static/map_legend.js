/**
 * The legend of a map: what colours mean, and which classes are shown.
 */

import { button, fill, h } from './dom.js';
import { colourOf, cssOf, GRADIENT, OTHER } from './map_colours.js';

const LISTED = 254;

/**
 * Read the codes of classes that are not shown.
 *
 * @param {string} text
 * @returns {Set<number>}
 */
export function readOff(text) {
  const codes = text.split('.').filter((code) => /^\d{1,3}$/.test(code)).map(Number);
  return new Set(codes.filter((code) => code <= OTHER));
}

/**
 * @param {(off: string) => void} change takes the codes that are no longer to be shown
 */
export function legend(change) {
  const element = h('div', { class: 'clr-legend' });
  let drawn = '';

  /**
   * @param {string} token what the classes belong to
   * @param {string} title
   * @param {string[]} names
   * @param {number[]} counts
   * @param {number} all how many pictures there are
   * @param {Set<number>} off
   */
  function classes(token, title, names, counts, all, off) {
    const others = all - counts.reduce((sum, count) => sum + count, 0);
    const entries = names.slice(0, LISTED).map((name, code) => ({ name, code, count: counts[code] }));
    if (others > 0) entries.push({ name: names.length ? 'others' : 'all pictures', code: OTHER, count: others });
    if (drawn !== token) {
      drawn = token;
      fill(
        element,
        h('h2', {}, title),
        h(
          'div',
          { class: 'clr-legend-all' },
          button('Show all', () => change('')),
          button('Show none', () => change(entries.map(({ code }) => code).join('.'))),
        ),
        h('ul', { role: 'list', class: 'clr-legend-list' }, entries.map((entry) => h('li', {}, door(entry)))),
      );
    }
    for (const one of element.querySelectorAll('[data-code]')) {
      one.setAttribute('aria-pressed', String(!off.has(Number(/** @type {HTMLElement} */ (one).dataset.code))));
    }

    /** @param {{name: string, code: number, count: number}} entry */
    function door({ name, code, count }) {
      return h(
        'button',
        {
          type: 'button',
          class: 'clr-legend-class',
          'data-code': code,
          title: `Show or hide ${name}; twice shows it alone`,
          onclick: (/** @type {MouseEvent} */ event) => {
            if (event.detail === 2) change(without(entries.map((each) => each.code), code));
            else toggle(code);
          },
        },
        h('i', { style: `background: ${cssOf(colourOf(code))}`, 'aria-hidden': 'true' }),
        h('span', {}, name),
        h('small', {}, count.toLocaleString('en')),
      );
    }
  }

  /** @param {number} code */
  function toggle(code) {
    const off = new Set(
      [...element.querySelectorAll('[data-code][aria-pressed=false]')].map((one) => Number(/** @type {HTMLElement} */ (one).dataset.code)),
    );
    if (!off.delete(code)) off.add(code);
    change([...off].join('.'));
  }

  /**
   * @param {number} low
   * @param {number} high
   */
  function scores(low, high) {
    drawn = '';
    fill(
      element,
      h('h2', {}, 'Likeness to the query'),
      h('div', { class: 'clr-legend-bar', style: `background: ${GRADIENT}` }),
      h('div', { class: 'clr-legend-ends' }, h('span', {}, low.toFixed(2).replace('-', '−')), h('span', {}, high.toFixed(2))),
    );
  }

  function nothing() {
    drawn = '';
    fill(element);
  }

  return { element, classes, scores, nothing };
}

/**
 * @param {number[]} codes
 * @param {number} one
 */
const without = (codes, one) => codes.filter((code) => code !== one).join('.');
