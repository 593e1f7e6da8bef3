/**
 * Which classes are taken for which: a matrix, and the most frequent mistakes.
 */

import { button, counted, fill, h } from './dom.js';

/** @param {import('./types.js').App} app */
export function confusions(app) {
  const element = h('div', { class: 'clr-confusions', hidden: true });

  async function show() {
    const { classes, matrix, mistakes, all } = await app.ask('confusion');
    if (!classes.length) {
      fill(element, h('p', { class: 'clr-empty' }, 'Label two pictures of each of two classes first.'));
      return;
    }
    fill(
      element,
      h(
        'div',
        { class: 'clr-mistakes' },
        h('h2', {}, mistakes.length ? 'Most often mistaken' : 'Nothing is mistaken.'),
        h('ul', { role: 'list' }, mistakes.slice(0, 12).map((/** @type {any} */ one) =>
          h('li', {}, button([h('b', {}, one.of), ' taken for ', h('b', {}, one.as), h('span', { class: 'clr-size' }, one.count)], () => go(one.of, one.as))))),
      ),
      h('div', { class: 'clr-matrix-box', tabindex: 0, role: 'group', 'aria-label': 'Confusion matrix' }, table(classes, matrix, all)),
    );
  }

  /** @param {string} of @param {string} as */
  const go = (of, as) => app.go({ show: 'cell', of, as });

  /**
   * @param {string[]} classes
   * @param {number[][]} matrix
   * @param {number} all
   */
  function table(classes, matrix, all) {
    return h(
      'table',
      { class: 'clr-matrix' },
      h('caption', {}, `Rows are labels, columns what the pictures are taken for. Click a number to see its pictures.${all > classes.length ? ` Of ${counted(all, 'class', 'classes')}, the ${classes.length} most mistaken.` : ''}`),
      h('thead', {}, h('tr', {}, h('td', {}), classes.map((name) => h('th', { scope: 'col', title: name }, h('span', {}, name))))),
      h('tbody', {}, matrix.map((row, at) => {
        const sum = row.reduce((one, other) => one + other, 0);
        return h('tr', {}, h('th', { scope: 'row', title: classes[at] }, classes[at]), row.map((count, to) => {
          const share = sum ? count / sum : 0;
          const cell = count
            ? h('button', { type: 'button', class: at === to ? 'clr-right' : 'clr-wrong', style: `--share:${Math.round(12 + share * 88)}%`, 'aria-label': `${counted(count)} of ${classes[at]} taken for ${classes[to]}`, onclick: () => go(classes[at], classes[to]) }, count)
            : '';
          return h('td', {}, cell);
        }));
      })),
    );
  }
  return { element, show };
}
