/**
 * One picture, as large as the window, with all about it; and the box that chooses a part of it.
 */

import { boxed } from './box.js';
import { button, bytesText, fill, h, icon } from './dom.js';
import { large, route, thumbnail } from './server.js';

export class Lightbox {
  /** @param {import('./types.js').App} app */
  constructor(app) {
    this.app = app;
    /** @type {(import('./types.js').Row | undefined)[]} */
    this.rows = [];
    /** @type {any} */
    this.about = null;
    this.leaving = false;
    this.at = 0;
    this.image = h('img', { alt: '' });
    this.stage = h('div', { class: 'clr-stage' }, this.image);
    this.facts = h('div', { class: 'clr-facts-box' });
    this.element = h(
      'dialog',
      { class: 'clr-lightbox', 'aria-label': 'Picture' },
      this.stage,
      this.facts,
      button(icon('left'), () => this.step(-1), { class: 'clr-step clr-before', 'aria-label': 'Previous picture' }),
      button(icon('right'), () => this.step(1), { class: 'clr-step clr-after', 'aria-label': 'Next picture' }),
      button(icon('close'), () => this.close(), { class: 'clr-step clr-close', 'aria-label': 'Close' }),
    );
    this.element.addEventListener('close', () => this.closed());
    this.element.addEventListener('click', (event) => {
      if (event.target === this.element) this.close();
    });
    this.element.addEventListener('keydown', (event) => this.onKey(event));
    this.box = boxed(this.stage, this.image, () => this.tell());
  }

  /**
   * Look at one of some pictures.
   *
   * @param {(import('./types.js').Row | undefined)[]} rows
   * @param {number} at
   */
  open(rows, at) {
    this.rows = rows;
    this.at = at;
    const row = rows[at];
    if (row?.id !== undefined) this.app.go({ view: row.id });
    else this.show();
  }

  /**
   * Show what the address of the page says: a picture, or none.
   *
   * @param {number | null} id
   */
  async follow(id) {
    if (id === null) {
      if (this.element.open && this.rows[this.at]?.upload === undefined) this.element.close();
      return;
    }
    if (this.rows[this.at]?.id !== id) {
      const at = this.rows.findIndex((row) => row?.id === id);
      if (at >= 0) this.at = at;
      else {
        try {
          this.rows = (await this.app.ask('rows', { ids: [id] })).rows;
          this.at = 0;
        } catch (error) {
          this.app.fail(error);
          return;
        }
      }
    }
    this.show();
  }

  show() {
    const row = this.rows[this.at];
    if (!row) return;
    this.about = null;
    this.box.clear();
    this.image.src = thumbnail(row);
    this.image.alt = row.name ?? '';
    if (this.app.offers.may.large !== false) {
      const full = new Image();
      full.src = large(row);
      full.decode().then(() => {
        if (this.rows[this.at] === row) this.image.src = full.src;
      }).catch(() => {});
    }
    if (!this.element.open) this.element.showModal();
    for (const [name, step] of /** @type {[string, number][]} */ ([['before', -1], ['after', 1]])) {
      const door = this.element.querySelector(`.clr-${name}`);
      if (door instanceof HTMLElement) door.hidden = !this.rows[this.at + step];
    }
    this.tell();
    if (row.id !== undefined) this.learn(row);
  }

  /** @param {import('./types.js').Row} row */
  async learn(row) {
    try {
      const about = await this.app.ask('item', { id: row.id });
      if (this.rows[this.at] !== row) return;
      this.about = about;
      this.tell();
    } catch (error) {
      this.app.fail(error);
    }
  }

  tell() {
    const row = this.rows[this.at];
    if (!row) return;
    const { app, about } = this;
    const crop = this.box.crop();
    const term = { ...(row.upload ? { upload: row.upload } : { id: row.id }), weight: 1, ...(crop ? { crop } : {}) };
    const lines = [
      ['Folder', row.folder],
      ['Label', row.label],
      ['Size', row.w && `${row.w} × ${row.h} pixels${about ? `, ${bytesText(about.bytes)}` : ''}`],
      ['Changed', about?.changed],
      ...Object.entries(about?.columns ?? {}).map(([name, value]) => [capital(name), String(value)]),
      ['Likeness', row.score?.toFixed(3)],
    ];
    fill(
      this.facts,
      h('h2', {}, row.name ?? ''),
      row.missing && h('p', { class: 'clr-hint' }, 'Its file is gone.'),
      h('dl', {}, lines.filter(([, value]) => value).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
      h(
        'div',
        { class: 'clr-deeds' },
        button(crop ? 'Search by this part' : 'View similar', () => this.leave({ tab: 'search', terms: [term] }), { class: 'clr-first' }),
        button([icon('plus'), 'More like it'], () => this.refine(row, 1)),
        button([icon('minus'), 'Less like it'], () => this.refine(row, -0.5)),
        about && button('Copy path', () => this.copy(about.file)),
        about && app.offers.may.reveal && button('Show in folder', () => this.reveal(row)),
        about && app.offers.may.originals &&
          h('a', { class: 'clr-button', href: route(`original/${row.id}`), download: row.name }, 'Download'),
      ),
      h('p', { class: 'clr-hint' }, crop ? 'Drag again for another part.' : 'Draw a box on the picture to search by that part.'),
    );
  }

  /**
   * @param {import('./types.js').Row} row
   * @param {number} weight
   */
  refine(row, weight) {
    const { terms } = this.app.state();
    const crop = this.box.crop();
    const term = { ...(row.upload ? { upload: row.upload } : { id: row.id }), weight, ...(crop ? { crop } : {}) };
    this.leave({ tab: 'search', terms: [...terms.filter((one) => one.id !== row.id || one.crop), term] });
  }

  /** @param {Partial<import('./types.js').State>} changes */
  leave(changes) {
    this.leaving = true;
    this.element.close();
    this.leaving = false;
    this.app.go({ ...changes, view: null });
  }

  close() {
    this.element.close();
  }

  closed() {
    if (!this.leaving && this.app.state().view !== null) this.app.go({ view: null });
  }

  /** @param {number} step */
  step(step) {
    const row = this.rows[this.at + step];
    if (!row) return;
    this.at += step;
    if (row.id !== undefined) this.app.go({ view: row.id }, { replace: true });
    else this.show();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const row = this.rows[this.at];
    if (!row) return;
    if (event.key === 'ArrowLeft') this.step(-1);
    else if (event.key === 'ArrowRight') this.step(1);
    else if (event.key === '+' || event.key === '=') this.refine(row, 1);
    else if (event.key === '-') this.refine(row, -0.5);
    else return;
    event.preventDefault();
  }

  /** @param {string} path */
  async copy(path) {
    try {
      await navigator.clipboard.writeText(path);
      this.app.say('The path was copied.');
      this.hint('The path was copied.');
    } catch {
      this.hint(path);
    }
  }

  /** @param {import('./types.js').Row} row */
  async reveal(row) {
    try {
      await this.app.ask('reveal', { id: row.id });
      this.hint('It is shown in the file manager.');
    } catch (error) {
      this.hint(`${error instanceof Error ? error.message : error}`);
    }
  }

  /** @param {string} text */
  hint(text) {
    const hints = this.facts.querySelectorAll('.clr-hint');
    const last = hints[hints.length - 1];
    if (last) last.textContent = text;
  }
}

/** @param {string} name */
function capital(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
