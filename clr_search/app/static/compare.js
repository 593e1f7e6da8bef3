/**
 * Two pictures of a group, as large as the window: side by side, in turn, or over each other.
 */

import { differing } from './differences.js';
import { button, fill, h, icon } from './dom.js';
import { large, thumbnail, turns } from './server.js';

const MODES = /** @type {const} */ ([['beside', 'Side by side'], ['blink', 'In turn'], ['slide', 'Slide'], ['difference', 'Difference']]);
const BLINK = 800;
const ZOOM = 4;

/**
 * How a picture is drawn so that it lies as the first of its group: the parts of a matrix, and
 * whether width and height change places. The words are those of the search.
 *
 * @type {Record<string, [number, number, number, number, boolean]>}
 */
const TURNS = {
  '': [1, 0, 0, 1, false],
  mirrored: [-1, 0, 0, 1, false],
  'mirrored and turned by 180°': [1, 0, 0, -1, false],
  'turned by 90°': [0, -1, 1, 0, true],
  'turned by 180°': [-1, 0, 0, -1, false],
  'turned by 270°': [0, 1, -1, 0, true],
  'mirrored and turned by 90°': [0, 1, 1, 0, true],
  'mirrored and turned by 270°': [0, -1, -1, 0, true],
};

/** It tells of a group that is marked here by the event `marked`, with the place of the group. */
export class Compare extends EventTarget {
  /**
   * @param {import('./types.js').App} app
   * @param {import('./marks.js').Marks} marks
   */
  constructor(app, marks) {
    super();
    this.app = app;
    this.marks = marks;
    /** @type {Map<number, import('./types.js').Facts>} */
    this.facts = new Map();
    /** @type {import('./types.js').Group | undefined} */
    this.group = undefined;
    /** @type {import('./types.js').Copy[]} */
    this.copies = [];
    this.mode = 'beside';
    this.shown = '';
    this.canvases = [0, 1].map(() => h('canvas', { role: 'img' }));
    this.panes = this.canvases.map((canvas) => h('div', { class: 'clr-pane' }, canvas));
    this.stage = h('div', { class: 'clr-compare-stage' }, this.panes);
    this.slider = h('input', { type: 'range', min: 0, max: 100, value: 50, class: 'clr-slider', 'aria-label': 'How much of the first picture is shown' });
    this.slider.addEventListener('input', () => this.stage.style.setProperty('--cut', `${this.slider.value}%`));
    this.doors = MODES.map(([mode, text]) => button(text, () => this.choose(mode), { 'data-mode': mode }));
    this.captions = h('div', { class: 'clr-compare-captions' });
    this.hint = h('p', { class: 'clr-hint' });
    this.element = h(
      'dialog',
      { class: 'clr-compare', 'aria-label': 'Compare two pictures' },
      h(
        'div',
        { class: 'clr-compare-bar' },
        h('div', { class: 'clr-modes', role: 'group', 'aria-label': 'How they are shown' }, this.doors),
        this.slider,
        button([icon('left'), icon('right')], () => this.step(1), { class: 'clr-bare', 'aria-label': 'Next picture of the group', title: 'Next picture of the group (→)' }),
        button(icon('close'), () => this.element.close(), { class: 'clr-bare', 'aria-label': 'Close' }),
      ),
      this.stage,
      this.captions,
      this.hint,
    );
    this.element.addEventListener('close', () => this.closed());
    this.element.addEventListener('keydown', (event) => this.onKey(event));
    this.stage.addEventListener('click', (event) => this.zoom(event));
    this.stage.addEventListener('pointermove', (event) => this.pan(event));
    this.timer = 0;
    this.turn = turns();
  }

  /**
   * Compare two pictures of a group.
   *
   * @param {import('./types.js').Group} group
   * @param {number} first
   * @param {number} second
   */
  open(group, first, second) {
    this.group = group;
    this.app.go({ pair: `${first}-${second}` });
  }

  /**
   * Show what the address of the page says: two pictures, or none.
   *
   * @param {string} pair
   * @param {import('./types.js').Group[]} groups those that have come
   */
  async follow(pair, groups) {
    const last = this.turn();
    const ids = /^(\d{1,16})-(\d{1,16})$/.exec(pair)?.slice(1).map(Number);
    if (!ids) {
      if (this.element.open) this.element.close();
      return;
    }
    if (this.shown === pair && this.element.open) return;
    const holds = (/** @type {import('./types.js').Group | undefined} */ group) => ids.every((id) => group?.copies.some((copy) => copy.id === id));
    if (!holds(this.group)) this.group = groups.find(holds);
    const copies = this.group?.copies ?? (await this.app.ask('rows', { ids })).rows;
    if (!last()) return;
    this.copies = ids.map((id) => copies.find((/** @type {{id: number}} */ copy) => copy.id === id));
    this.shown = pair;
    if (!this.element.open) this.element.showModal();
    this.stage.classList.remove('clr-zoomed');
    this.choose(this.mode);
    this.copies.forEach((copy, at) => this.draw(copy, at));
  }

  /**
   * Draw a picture at once by its thumbnail, and large when that has come.
   *
   * @param {import('./types.js').Copy} copy
   * @param {number} at
   */
  async draw(copy, at) {
    const canvas = this.canvases[at];
    canvas.setAttribute('aria-label', copy.name ?? '');
    canvas.width = canvas.height = 1;
    const addresses = [thumbnail(copy), ...(this.app.offers.may.large === false ? [] : [large(copy)])];
    for (const address of addresses) {
      const image = new Image();
      image.src = address;
      try {
        await image.decode();
      } catch {
        if (this.copies[at] === copy) this.hint.textContent = `${copy.name ?? 'A picture'} cannot be shown: its file is gone or cannot be read.`;
        return;
      }
      if (this.copies[at] !== copy) return;
      turned(canvas, image, copy.turn ?? '');
    }
  }

  tell() {
    const { group } = this;
    const full = this.copies.every((copy) => copy.bytes !== undefined);
    const { lines } = full ? differing(this.copies, this.facts) : { lines: [[], []] };
    const go = group ? this.marks.of(group) : new Set();
    fill(this.captions, this.copies.map((copy, at) => h(
      'div',
      { class: `clr-compare-caption ${go.has(copy.id) ? 'clr-goes' : ''}` },
      group && !group.said && h('span', { class: 'clr-verdict' }, go.has(copy.id) ? 'could go' : 'keep'),
      h('b', { class: 'clr-name', title: copy.folder }, copy.name ?? 'removed'),
      h('span', { class: 'clr-hint' }, lines[at].map((line) => (line.best ? `✓ ${line.text}` : line.text)).join(' · ')),
      group && !group.said && button(go.has(copy.id) ? 'Keep' : 'Could go', () => this.mark(copy), { 'aria-label': `${go.has(copy.id) ? 'Keep' : 'Could go'}: ${copy.name}` }),
    )));
    this.hint.textContent = this.copies.some((copy) => copy.turn)
      ? 'What is turned or mirrored is shown turned back. Click to look closer.'
      : 'Click to look closer.';
    if (this.mode === 'difference') this.hint.textContent += ' What is the same in both is black; what differs is shown four times as bright.';
  }

  /** @param {import('./types.js').Copy} copy */
  mark(copy) {
    const { group } = this;
    if (!group) return;
    if (!this.marks.toggle(group, copy.id)) {
      this.hint.textContent = 'One picture of a group stays: keep another one first.';
      return;
    }
    this.tell();
    this.captions.children[this.copies.indexOf(copy)]?.querySelector('button')?.focus();
    this.dispatchEvent(new CustomEvent('marked', { detail: group.place }));
  }

  /** @param {string} mode */
  choose(mode) {
    this.mode = mode;
    clearInterval(this.timer);
    this.stage.dataset.mode = mode;
    this.stage.classList.remove('clr-second');
    for (const door of this.doors) door.setAttribute('aria-pressed', String(door.dataset.mode === mode));
    this.slider.hidden = mode !== 'slide';
    if (this.copies.length) this.tell();
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (mode === 'blink' && !still) {
      this.timer = window.setInterval(() => this.stage.classList.toggle('clr-second'), BLINK);
    }
    if (mode === 'blink' && still) this.hint.textContent = 'Press the space bar to change between the two.';
  }

  /** @param {MouseEvent} event */
  zoom(event) {
    this.stage.classList.toggle('clr-zoomed');
    this.stage.style.setProperty('--zoom', String(ZOOM));
    this.pan(event);
  }

  /** @param {MouseEvent} event */
  pan(event) {
    const pane = event.target instanceof Element ? event.target.closest('.clr-pane') : null;
    if (!pane) return;
    const box = pane.getBoundingClientRect();
    const share = (/** @type {number} */ at, /** @type {number} */ size) => `${Math.max(0, Math.min(100, (100 * at) / Math.max(1, size)))}%`;
    this.stage.style.setProperty('--x', share(event.clientX - box.left, box.width));
    this.stage.style.setProperty('--y', share(event.clientY - box.top, box.height));
  }

  /**
   * Compare the first picture with another one of its group.
   *
   * @param {number} step
   */
  step(step) {
    const { group, copies: [first, second] } = this;
    const others = group?.copies.filter((copy) => copy.id !== first.id) ?? [];
    if (others.length < 2) return;
    const next = others[(others.indexOf(second) + step + others.length) % others.length];
    this.app.go({ pair: `${first.id}-${next.id}` }, { replace: true });
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.target === this.slider && event.key.startsWith('Arrow')) return;
    if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') this.step(event.key === 'ArrowRight' ? 1 : -1);
    else if (/^[1-4]$/.test(event.key)) this.choose(MODES[Number(event.key) - 1][0]);
    else if (event.key === 'z') this.stage.classList.toggle('clr-zoomed');
    else if (event.key === ' ' && this.mode === 'blink' && !(event.target instanceof HTMLButtonElement)) {
      clearInterval(this.timer);
      this.stage.classList.toggle('clr-second');
    } else return;
    event.preventDefault();
  }

  closed() {
    clearInterval(this.timer);
    this.shown = '';
    if (this.app.state().pair) this.app.go({ pair: '' });
  }
}

/**
 * Draw a picture as the first of its group lies.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLImageElement} image
 * @param {string} turn
 */
function turned(canvas, image, turn) {
  const [a, b, c, d, swaps] = TURNS[turn] ?? TURNS[''];
  const { naturalWidth: width, naturalHeight: height } = image;
  [canvas.width, canvas.height] = swaps ? [height, width] : [width, height];
  const pen = canvas.getContext('2d');
  if (!pen) return;
  pen.setTransform(a, b, c, d, canvas.width / 2, canvas.height / 2);
  pen.drawImage(image, -width / 2, -height / 2);
}
