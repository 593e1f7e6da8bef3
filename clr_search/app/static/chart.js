/**
 * Small line charts, drawn as SVG, with a table of the same numbers.
 */

import { h } from './dom.js';

const WIDTH = 480;
const HEIGHT = 220;
const LEFT = 58;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 30;

/**
 * @param {string} tag
 * @param {Record<string, string | number>} traits
 * @param {...(Node | string)} children
 */
function s(tag, traits, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(traits)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Return round numbers from the least to the most, some five of them.
 *
 * @param {number} least
 * @param {number} most
 * @returns {number[]}
 */
export function ticks(least, most) {
  if (!(most > least)) return [least];
  const rough = (most - least) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const found = [];
  for (let at = Math.ceil(least / step); at * step <= most + step * 1e-9; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}

/**
 * Return the path of a line; it is broken where nothing was measured between two epochs that were,
 * but goes on over epochs at which nothing was due.
 *
 * @param {(number | null)[]} values
 * @param {(at: number) => number} x
 * @param {(value: number) => number} y
 */
export function path(values, x, y) {
  let text = '';
  values.forEach((value, at) => {
    if (value !== null) text += `${text ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return text;
}

/**
 * @param {string} title
 * @param {number[]} epochs
 * @param {{name: string, values: (number | null)[]}[]} lines
 * @param {{least?: number, most?: number, show?: (value: number) => string, hint?: string}} [wishes]
 * @returns {HTMLElement}
 */
export function chart(title, epochs, lines, wishes = {}) {
  const show = wishes.show ?? shortly;
  const known = lines.flatMap(({ values }) => /** @type {number[]} */ (values.filter((value) => value !== null)));
  let least = Math.min(wishes.least ?? Infinity, ...known);
  let most = Math.max(wishes.most ?? -Infinity, ...known);
  if (least === most) {
    least -= Math.abs(least) * 0.1 || 1;
    most += Math.abs(most) * 0.1 || 1;
  }
  const first = epochs[0] ?? 0;
  const last = Math.max(epochs[epochs.length - 1] ?? 1, first + 1);
  const x = (/** @type {number} */ epoch) => LEFT + ((epoch - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (/** @type {number} */ value) => TOP + ((most - value) / (most - least)) * (HEIGHT - TOP - BOTTOM);
  const drawing = s('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'clr-chart', role: 'img', 'aria-label': `${title}: ${lines.map((line) => spoken(line, show)).join('; ')}` });
  for (const tick of ticks(least, most)) {
    drawing.append(
      s('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick), class: 'clr-rule' }),
      s('text', { x: LEFT - 7, y: y(tick) + 4, 'text-anchor': 'end' }, show(tick)),
    );
  }
  for (const tick of ticks(first, last).filter(Number.isInteger)) {
    drawing.append(s('text', { x: x(tick), y: HEIGHT - 9, 'text-anchor': 'middle' }, String(tick)));
  }
  lines.forEach(({ values }, number) => {
    drawing.append(s('path', { d: path(values, (at) => x(epochs[at]), y), class: `clr-line clr-line-${number}` }));
    const at = values.findLastIndex((value) => value !== null);
    const value = values[at];
    if (at >= 0 && value !== null) drawing.append(s('circle', { cx: x(epochs[at]), cy: y(value), r: 3.5, class: `clr-dot clr-line-${number}` }));
  });
  return h(
    'div',
    { class: 'clr-card' },
    h('h2', {}, title),
    h('p', { class: 'clr-chart-legend' }, lines.map((line, number) => h('span', { class: `clr-key clr-line-${number}` }, `${line.name}: ${newest(line.values, show)}`))),
    drawing,
    h('p', { class: 'clr-hint' }, `by epoch${wishes.hint ? `. ${wishes.hint}` : ''}`),
    table(title, epochs, lines, show),
  );
}

/**
 * @param {string} title
 * @param {number[]} epochs
 * @param {{name: string, values: (number | null)[]}[]} lines
 * @param {(value: number) => string} show
 */
function table(title, epochs, lines, show) {
  const box = h('div', { class: 'clr-chart-table', tabindex: 0, role: 'region', 'aria-label': `${title}, as a table` });
  const details = h('details', {}, h('summary', {}, 'As a table'), box);
  details.addEventListener('toggle', () => {
    if (!details.open || box.firstChild) return;
    box.append(h(
      'table',
      { class: 'clr-numbers' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Epoch'), lines.map(({ name }) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, epochs.map((epoch, at) => h('tr', {}, h('th', { scope: 'row' }, String(epoch)), lines.map(({ values }) => {
        const value = values[at];
        return h('td', {}, value === null ? '' : show(value));
      })))),
    ));
  });
  return details;
}

/**
 * @param {(number | null)[]} values
 * @param {(value: number) => string} show
 */
function newest(values, show) {
  const value = values.findLast((one) => one !== null);
  return value === undefined || value === null ? 'not measured' : show(value);
}

/**
 * @param {{name: string, values: (number | null)[]}} line
 * @param {(value: number) => string} show
 */
function spoken({ name, values }, show) {
  const begin = values.find((one) => one !== null);
  if (begin === undefined || begin === null) return `${name} not measured`;
  return `${name} from ${show(begin)} to ${newest(values, show)}`;
}

/** @param {number} value */
export function shortly(value) {
  if (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e6)) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

/** @param {number} value */
export const percent = (value) => `${Number((value * 100).toFixed(1))} %`;
