/**
 * A grid of pictures of any number: only what is seen is in the page, rows come as they are needed.
 */

import { fill, h, icon } from './dom.js';
import { thumbnail } from './server.js';

const GAP = 12;
const NARROWEST = 172;
const CAPTION = 56;
const PAGE = 120;
const TALLEST = 12_000_000; // Browsers do not lay out what is much higher.

/**
 * @typedef {object} Wishes
 * @property {string} label what the list is called for screen readers
 * @property {(offset: number, count: number) => Promise<import('./types.js').Row[]>} load
 * @property {import('./selection.js').Selection} selection
 * @property {(row: import('./types.js').Row, at: number) => void} choose a click, or Enter
 * @property {(row: import('./types.js').Row, at: number) => void} [look] the space bar, or the eye
 * @property {(row: import('./types.js').Row, weight: number) => void} [refine] + and −
 * @property {(row: import('./types.js').Row, digit: number) => void} [digit] keys 0 to 9
 * @property {(error: unknown) => void} fail
 */

export class Grid {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    /** @type {(import('./types.js').Row | undefined)[]} */
    this.rows = [];
    this.total = 0;
    this.active = 0;
    this.anchor = 0;
    this.version = 0;
    this.columns = 2;
    this.side = this.line = 1;
    this.full = this.height = this.scrolled = this.offset = this.above = 0;
    this.stretch = 1; // pictures scroll faster than the page where it could not be so high
    /** @type {Set<number>} */
    this.pending = new Set();
    /** @type {Map<number, HTMLLIElement>} */
    this.drawn = new Map();
    this.list = h('ul', { class: 'clr-grid', role: 'list', 'aria-label': wishes.label });
    this.element = h('div', { class: 'clr-grid-box' }, this.list);
    this.list.addEventListener('click', (event) => this.onClick(event));
    this.list.addEventListener('keydown', (event) => this.onKey(event));
    this.list.addEventListener('focusin', (event) => {
      const at = this.placeOf(event.target);
      if (at >= 0) this.activate(at, false);
    });
    this.frame = this.around = 0;
    const later = () => {
      if (!this.frame) {
        this.frame = requestAnimationFrame(() => {
          this.frame = 0;
          this.draw();
        });
      }
    };
    window.addEventListener('scroll', later, { passive: true });
    new ResizeObserver(later).observe(this.element);
    wishes.selection.addEventListener('change', () => this.mark());
  }

  /**
   * Show a list.
   *
   * @param {number} total how many pictures it has
   * @param {import('./types.js').Row[]} first the first of them
   */
  show(total, first) {
    this.version += 1;
    this.total = total;
    this.rows = first.slice();
    this.pending.clear();
    this.active = this.anchor = 0;
    for (const item of this.drawn.values()) item.remove();
    this.drawn.clear();
    this.draw(0); // what is seen, so that the rest does not hold it up
    clearTimeout(this.around);
    this.around = setTimeout(() => this.draw(), 150);
  }

  /**
   * There are fewer pictures than was said: a search that goes on has found its end.
   *
   * @param {number} total how many there are
   */
  shorten(total) {
    this.total = total;
    for (const item of this.drawn.values()) item.setAttribute('aria-setsize', String(total));
    this.draw();
  }

  /** The rows that have come, in their order. */
  known() {
    return this.rows.slice(0, this.total);
  }

  /**
   * Draw a tile again, whose row has changed.
   *
   * @param {number} at
   */
  redraw(at) {
    const old = this.drawn.get(at);
    if (!old) return;
    const focused = old.contains(document.activeElement);
    const item = this.tile(at);
    item.style.cssText = old.style.cssText;
    old.replaceWith(item);
    this.drawn.set(at, item);
    if (focused) item.querySelector('button')?.focus();
  }

  measure() {
    const width = this.element.clientWidth;
    this.columns = Math.max(2, Math.floor((width + GAP) / (NARROWEST + GAP)));
    this.side = (width - GAP * (this.columns - 1)) / this.columns;
    this.line = this.side + CAPTION + GAP;
    const lines = Math.ceil(this.total / this.columns);
    this.full = Math.max(0, lines * this.line - GAP);
    this.height = Math.min(this.full, TALLEST);
    this.list.style.height = `${this.height}px`;
    const top = this.list.getBoundingClientRect().top;
    this.scrolled = Math.max(0, -top);
    const window_ = window.innerHeight;
    this.stretch =
      this.full > this.height ? (this.full - window_) / Math.max(1, this.height - window_) : 1;
    this.offset = this.scrolled * this.stretch; // what is at the upper edge of the window
    this.above = Math.max(0, top);
  }

  /**
   * Draw the tiles in the window, and some lines around it.
   *
   * @param {number} lines how many below it; above it, half as many
   */
  draw(lines = 2) {
    if (!this.element.isConnected || !this.element.clientWidth) return;
    this.measure();
    const begin = Math.max(0, Math.floor(this.offset / this.line) - lines / 2) * this.columns;
    const seen = Math.ceil((window.innerHeight - this.above) / this.line) + lines;
    const end = Math.min(this.total, begin + Math.max(1, seen) * this.columns);
    for (const [at, item] of this.drawn) {
      if ((at < begin || at >= end) && !item.contains(document.activeElement)) {
        item.remove();
        this.drawn.delete(at);
      }
    }
    for (let at = begin; at < end; at += 1) {
      if (!this.rows[at]) this.fetch(Math.floor(at / PAGE) * PAGE);
      let item = this.drawn.get(at);
      if (!item) {
        item = this.tile(at);
        this.drawn.set(at, item);
        const next = this.drawn.get(at + 1);
        if (next) next.before(item);
        else this.list.append(item);
      }
    }
    for (const [at, item] of this.drawn) this.place(item, at);
  }

  /**
   * @param {HTMLLIElement} item
   * @param {number} at
   */
  place(item, at) {
    const x = (at % this.columns) * (this.side + GAP);
    const y = Math.floor(at / this.columns) * this.line - this.offset + this.scrolled;
    item.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    item.style.width = `${this.side.toFixed(1)}px`;
    item.style.height = `${(this.side + CAPTION).toFixed(1)}px`;
  }

  /** @param {number} offset */
  async fetch(offset) {
    if (this.pending.has(offset)) return;
    this.pending.add(offset);
    const version = this.version;
    try {
      const rows = await this.wishes.load(offset, PAGE);
      if (version !== this.version) return;
      rows.forEach((row, at) => {
        if (this.rows[offset + at]) return;
        this.rows[offset + at] = row;
        this.redraw(offset + at);
      });
      this.draw();
    } catch (error) {
      if (version !== this.version) return;
      this.wishes.fail(error);
      setTimeout(() => this.pending.delete(offset), 3000);
    }
  }

  /**
   * @param {number} at
   * @returns {HTMLLIElement}
   */
  tile(at) {
    const row = this.rows[at];
    const item = h('li', {
      'aria-setsize': this.total,
      'aria-posinset': at + 1,
      'data-at': at,
    });
    if (!row) {
      fill(item, h('div', { class: 'clr-tile clr-waiting' }));
      return item;
    }
    if (row.name === undefined) {
      fill(item, h('div', { class: 'clr-tile' }, h('span', { class: 'clr-absent' }, 'removed')));
      return item;
    }
    const { refine, look } = this.wishes;
    const main = h(
      'button',
      {
        type: 'button',
        class: 'clr-tile',
        tabindex: at === this.active ? 0 : -1,
        'data-do': 'choose',
        title: row.folder ? `${row.folder}/${row.name}` : row.name,
      },
      this.picture(row),
      h(
        'span',
        { class: 'clr-caption' },
        h('span', { class: 'clr-name' }, row.name),
        h('span', { class: 'clr-facts' }, this.line2(row)),
      ),
    );
    /** @type {(content: any, what: string, name: string) => HTMLElement} */
    const small = (content, what, name) =>
      h('button', { type: 'button', tabindex: -1, 'data-do': what, 'aria-label': `${name}: ${row.name}`, title: name }, content);
    fill(
      item,
      main,
      h(
        'span',
        { class: 'clr-over' },
        row.id !== undefined && small(icon('check'), 'select', 'Choose'),
        refine && small(icon('plus'), 'plus', 'More like this'),
        refine && small(icon('minus'), 'minus', 'Less like this'),
        look && small(icon('eye'), 'look', 'Look at it'),
      ),
      row.badge && h('span', { class: 'clr-badge' }, row.badge),
    );
    item.classList.toggle('clr-chosen', this.wishes.selection.has(row.id));
    return item;
  }

  /** @param {import('./types.js').Row} row */
  picture(row) {
    if (row.missing) return h('span', { class: 'clr-absent' }, 'file not found');
    const image = h('img', { alt: '', decoding: 'async', src: thumbnail(row), draggable: 'false' });
    image.addEventListener('error', () => {
      image.replaceWith(h('span', { class: 'clr-absent' }, 'cannot be read'));
    });
    return image;
  }

  /** @param {import('./types.js').Row} row */
  line2(row) {
    const score =
      row.score !== undefined &&
      h(
        'span',
        { class: 'clr-score', title: unusual(row.share) },
        h('span', { class: 'clr-spoken' }, 'similarity '),
        row.score.toFixed(3),
      );
    const said = row.note ?? row.label ?? row.folder ?? '';
    return [h('span', { class: 'clr-said' }, said), score];
  }

  mark() {
    for (const [at, item] of this.drawn) {
      const chosen = this.wishes.selection.has(this.rows[at]?.id);
      item.classList.toggle('clr-chosen', chosen);
      item.querySelector('[data-do=select]')?.setAttribute('aria-pressed', String(chosen));
    }
  }

  /**
   * @param {EventTarget | null} target
   * @returns {number}
   */
  placeOf(target) {
    const item = target instanceof Element ? target.closest('li') : null;
    return item ? Number(item.dataset.at) : -1;
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const target = event.target instanceof Element ? event.target.closest('[data-do]') : null;
    const at = this.placeOf(target);
    if (!(target instanceof HTMLElement) || at < 0) return;
    if (event.shiftKey) this.selectTo(at);
    else if (event.ctrlKey || event.metaKey) this.perform('select', at);
    else this.perform(target.dataset.do ?? '', at);
  }

  /**
   * @param {string} what
   * @param {number} at
   */
  perform(what, at) {
    const row = this.rows[at];
    if (!row || row.name === undefined) return;
    const { choose, look, refine, selection } = this.wishes;
    this.activate(at, false);
    if (what === 'choose') choose(row, at);
    else if (what === 'look') look?.(row, at);
    else if (what === 'plus') refine?.(row, 1);
    else if (what === 'minus') refine?.(row, -1);
    else if (what === 'select' && row.id !== undefined) {
      this.anchor = at;
      selection.toggle(row.id);
    }
  }

  /** @param {number} at */
  selectTo(at) {
    const [begin, end] = [Math.min(this.anchor, at), Math.max(this.anchor, at)];
    const ids = this.rows.slice(begin, end + 1).map((row) => row?.id);
    this.wishes.selection.add(/** @type {number[]} */ (ids.filter((id) => id !== undefined)));
    document.getSelection()?.removeAllRanges();
  }

  /**
   * Make a tile the one that the Tab key comes to.
   *
   * @param {number} at
   * @param {boolean} focus whether to go to it now
   */
  activate(at, focus) {
    const before = this.drawn.get(this.active)?.querySelector('.clr-tile');
    before?.setAttribute('tabindex', '-1');
    this.active = Math.max(0, Math.min(this.total - 1, at));
    if (focus) this.reveal(this.active);
    const item = this.drawn.get(this.active)?.querySelector('.clr-tile');
    item?.setAttribute('tabindex', '0');
    if (focus && item instanceof HTMLElement) item.focus({ preventScroll: true });
  }

  /**
   * Scroll so that a tile is seen whole.
   *
   * @param {number} at
   */
  reveal(at) {
    const y = Math.floor(at / this.columns) * this.line;
    const top = this.list.getBoundingClientRect().top + this.scrolled - this.offset + y;
    const bar = 64; // what sticks to the upper edge of the window
    if (top < bar) window.scrollBy(0, (top - bar) / this.stretch);
    else if (top + this.line > window.innerHeight) {
      window.scrollBy(0, (top + this.line - window.innerHeight) / this.stretch);
    }
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.altKey || event.metaKey || event.ctrlKey) return;
    const page = Math.max(1, Math.floor(window.innerHeight / this.line) - 1) * this.columns;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowRight: this.active + 1,
      ArrowLeft: this.active - 1,
      ArrowDown: this.active + this.columns,
      ArrowUp: this.active - this.columns,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: this.total - 1,
    };
    /** @type {Record<string, string>} */
    const deeds = { ' ': 'look', '+': 'plus', '=': 'plus', '-': 'minus', x: 'select' };
    if (event.key in steps) {
      const from = this.active;
      this.activate(steps[event.key], true);
      if (event.shiftKey) {
        this.anchor = Math.min(this.anchor, from);
        this.selectTo(this.active);
      }
    } else if (event.key in deeds) this.perform(deeds[event.key], this.active);
    else if (/^[0-9]$/.test(event.key) && this.wishes.digit) {
      const row = this.rows[this.active];
      if (row) this.wishes.digit(row, Number(event.key));
    } else return;
    event.preventDefault();
  }
}

/**
 * Say how unusual a likeness is in this collection.
 *
 * @param {number | undefined} share per cent of random pairs that are less alike
 */
export function unusual(share) {
  if (share === undefined) return '';
  if (share >= 99.995) return 'No random pair of the collection is so alike.';
  const one = 100 / (100 - share);
  const rounded = one < 10 ? one.toFixed(1) : Math.round(Number(one.toPrecision(2))).toLocaleString('en');
  return `As alike as one random pair in ${rounded} of the collection.`;
}

