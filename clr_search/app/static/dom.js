/**
 * Elements of the page, made without a single string of HTML: texts from outside stay texts.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag its name
 * @param {Record<string, any>} [traits] attributes; `class`, and listeners such as `onclick`
 * @param {...(Child | Child[])} children what is in it
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, traits = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(traits)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (name === 'style') element.style.cssText = value;
    else if (value === true) element.setAttribute(name, '');
    else element.setAttribute(name, String(value));
  }
  fill(element, ...children);
  return element;
}

/**
 * Replace what is in an element.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  const nodes = children.flat().filter((child) => child || child === 0);
  element.replaceChildren(...nodes.map((child) => (child instanceof Node ? child : String(child))));
}

const ICONS = {
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  close: 'M4 4l8 8M12 4l-8 8',
  eye: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 10a2 2 0 100-4 2 2 0 000 4z',
  check: 'M3 8.5l3.2 3.2L13 4.8',
  crop: 'M4.5 1v10.5H15M1 4.5h10.5V15',
  camera: 'M2 5h3l1.2-2h3.6L11 5h3v8H2zM8 11a2.3 2.3 0 100-4.6A2.3 2.3 0 008 11z',
  picture: 'M2 3h12v10H2zM2 11l3.5-4 3 3 2-2L14 11M10.5 6.3a.8.8 0 100-.1z',
  dice: 'M3 3h10v10H3zM5.6 5.6h.01M10.4 5.6h.01M8 8h.01M5.6 10.4h.01M10.4 10.4h.01',
  sun: 'M8 11a3 3 0 100-6 3 3 0 000 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  help: 'M5.8 6a2.2 2.2 0 114.2 1c-.6.9-2 1.200-2 2.600M8 12h.01',
  left: 'M10 3L5 8l5 5',
  right: 'M6 3l5 5-5 5',
  undo: 'M3 6.5h6.500a3.500 3.500 0 010 7H6M3 6.500l3-3M3 6.500l3 3',
  more: 'M3.500 8h.01M8 8h.01M12.500 8h.01',
  lasso: 'M8 2.500c3.600 0 6 1.600 6 4s-2.400 4-6 4-6-1.600-6-4 2.400-4 6-4zM4.500 10c-1.500 1-1.500 3.500.5 4',
  whole: 'M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4',
  list: 'M2 4h1M6 4h8M2 8h1M6 8h8M2 12h1M6 12h8',
  filter: 'M2 3.500h12M4.500 8h7M6.500 12.500h3',
};

/**
 * Return an icon, which screen readers pass over.
 *
 * @param {keyof typeof ICONS} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('clr-icon');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * Make a button.
 *
 * @param {Child | Child[]} content what is on it
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, any>} [traits]
 * @returns {HTMLButtonElement}
 */
export function button(content, onclick, traits = {}) {
  const classes = `clr-button ${traits.class ?? ''}`.trim();
  return h('button', { type: 'button', ...traits, class: classes, onclick }, content);
}

/**
 * Return a number with commas, and a word in the singular or the plural.
 *
 * @param {number} count
 * @param {string} [one]
 * @param {string} [many]
 */
export function counted(count, one = 'picture', many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/**
 * Return a share for people.
 *
 * @param {number} share from 0 to 1
 */
export function percent(share) {
  const rounded = Math.round(share * 100);
  if (share > 0 && rounded === 0) return 'under 1\u00a0%';
  if (share < 1 && rounded === 100) return 'over 99\u00a0%';
  return `${rounded}\u00a0%`;
}

/**
 * Return a duration for people.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 0.001) return '1 ms';
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/**
 * Return a number of bytes for people.
 *
 * @param {number} bytes
 */
export function bytesText(bytes) {
  let value = bytes;
  for (const unit of ['B', 'kB', 'MB']) {
    if (value < 1000) return unit === 'B' ? `${value} B` : `${value.toPrecision(3)} ${unit}`;
    value /= 1000;
  }
  return `${value.toPrecision(3)} GB`;
}

/**
 * Whether a key that is pressed there writes a letter.
 *
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  return target instanceof Element && target.closest('input, textarea, select, dialog[open]') !== null;
}
