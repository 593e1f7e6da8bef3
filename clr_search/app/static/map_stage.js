/**
 * The map itself: points, the pictures that are near, and what the pointer is over.
 */

import { Camera } from './map_camera.js';
import { Cells } from './map_cells.js';
import { fill, h } from './dom.js';
import { gestures } from './map_gestures.js';
import { cssOf } from './map_colours.js';
import { Pictures } from './map_pictures.js';
import { Points } from './map_points.js';
import { Rows } from './map_rows.js';
import { thumbnail } from './server.js';

const NEAR = 14; // pixels around the pointer in which a point is met
const CALM = 140; // milliseconds without a move, after which pictures are chosen
const SLOW = 22; // milliseconds of a frame, above which a moving map is drawn with fewer points
const QUICK = 18; // and below which with more
const LEAST = 4000; // points that are always drawn

/**
 * @typedef {object} Wishes
 * @property {import('./types.js').App} app
 * @property {(id: number) => void} choose a click on a picture
 * @property {(corners: [number, number][]) => void} lasso an area, on the map
 * @property {() => void} list Enter: what is seen
 * @property {() => void} rested the camera has come to rest
 */

export class Stage {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    this.camera = new Camera();
    this.cells = new Cells(new Uint16Array(0));
    this.rows = new Rows(wishes.app.ask);
    this.pictures = new Pictures(this.camera, this.rows);
    this.drawing = false;
    this.off = new Set();
    /** @type {[number, number][]} */
    this.area = [];
    /** @type {number[]} */
    this.marked = [];
    this.grow = 0;
    this.most = Infinity; // points of a moving map: as many as this machine draws smoothly
    this.moving = false;
    this.wanted = 0; // when the next frame was asked for
    this.hovered = this.frame = this.calm = 0;
    /** @type {(code: number) => number[]} */
    this.paint = () => [140, 140, 140];
    this.canvas = h('canvas', { class: 'clr-map-points' });
    this.points = Points.on(this.canvas);
    this.lines = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    this.lines.setAttribute('class', 'clr-map-lines');
    this.lines.setAttribute('aria-hidden', 'true');
    this.card = h('div', { class: 'clr-map-card', hidden: true });
    this.element = h('div', { class: 'clr-map-stage', tabindex: 0, role: 'application', 'aria-describedby': 'clr-map-note' }, this.canvas, this.pictures.element, this.lines, this.card);
    this.element.style.touchAction = 'none';
    this.listen();
  }

  listen() {
    const { canvas, element } = this;
    canvas.addEventListener('webglcontextlost', (event) => event.preventDefault());
    canvas.addEventListener('webglcontextrestored', () => {
      this.points?.build();
      this.later();
    });
    new ResizeObserver(() => this.measure()).observe(element);
    gestures(element, this.camera, {
      drawing: () => this.drawing,
      moved: () => this.moved(),
      hover: (left, top) => this.hover(left, top),
      leave: () => this.leave(),
      click: (left, top, touch) => this.click(left, top, touch),
      lasso: (path, done) => this.lasso(path, done),
      list: () => this.wishes.list(),
    });
  }

  measure() {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth || !clientHeight) return;
    const dense = Math.min(2, window.devicePixelRatio || 1);
    this.camera.width = clientWidth;
    this.camera.height = clientHeight;
    this.canvas.width = Math.round(clientWidth * dense);
    this.canvas.height = Math.round(clientHeight * dense);
    this.drawNow();
    this.rest();
  }

  /**
   * Show other pictures.
   *
   * @param {Uint32Array | Float64Array} ids
   * @param {Uint16Array} places
   */
  show(ids, places) {
    this.rows.show(ids);
    this.cells = new Cells(places);
    this.points?.setPlaces(places);
    this.moved();
  }

  /**
   * Show other colours.
   *
   * @param {Uint8Array} codes the class of each picture
   * @param {Uint8Array} palette
   * @param {(code: number) => number[]} paint
   * @param {number} grow
   */
  colour(codes, palette, paint, grow) {
    this.points?.setCodes(codes);
    this.points?.setPalette(palette);
    this.paint = paint;
    this.grow = grow;
    this.moved();
  }

  /** @param {number} at a point */
  isShown(at) {
    return !this.points || this.points.palette[4 * this.points.codes[at] + 3] > 0;
  }

  moved() {
    this.later();
    this.moving = true;
    clearTimeout(this.calm);
    this.calm = setTimeout(() => this.rest(), CALM);
  }

  rest() {
    if (!this.element.clientWidth) return;
    this.moving = false;
    this.later();
    this.pictures
      .choose(this.cells, (at) => this.isShown(at), (at) => cssOf(this.paint(this.points?.codes[at] ?? 0)))
      .catch((error) => this.wishes.app.fail(error));
    this.wishes.rested();
  }

  later() {
    if (this.frame) return;
    this.wanted = performance.now();
    this.frame = requestAnimationFrame(() => {
      if (this.moving) this.adapt(performance.now() - this.wanted);
      this.drawNow();
    });
  }

  /**
   * Draw fewer points of a moving map where frames come slowly, and more where they come quickly.
   *
   * @param {number} took milliseconds from when the frame was asked for
   */
  adapt(took) {
    const count = this.points?.count ?? 0;
    const now = Math.min(this.most, count);
    if (took > SLOW) this.most = Math.max(LEAST, now * Math.max(0.4, QUICK / took));
    else if (took < QUICK) this.most = now >= count ? Infinity : now * 1.1;
  }

  drawNow() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const dense = this.canvas.width / this.camera.width;
    const apart = this.camera.side / Math.sqrt(Math.max(1, this.points?.count ?? 1));
    this.points?.draw(this.camera, dense * Math.min(11, Math.max(2.4, 0.8 * apart)), this.grow, this.moving ? this.most : Infinity);
    this.pictures.follow();
    this.outline(this.area.map(([x, y]) => this.camera.seen(x, y)));
  }

  /** @param {[number, number][]} corners places in the window */
  outline(corners) {
    const shapes = [];
    if (corners.length > 2) {
      shapes.push(svg('polygon', { points: corners.map((corner) => corner.map((value) => value.toFixed(1)).join(',')).join(' ') }));
    }
    for (const at of this.marked) {
      const [x, y] = this.camera.seen(...this.cells.place(at));
      shapes.push(svg('circle', { cx: x.toFixed(1), cy: y.toFixed(1), r: 12 }));
    }
    if (shapes.length || this.lines.childElementCount) fill(this.lines, ...shapes);
  }

  /**
   * @param {number} left
   * @param {number} top
   * @param {number} [near]
   */
  met(left, top, near = NEAR) {
    const pictured = this.pictures.under(left, top);
    if (pictured >= 0) return pictured;
    const [x, y] = this.camera.place(left, top);
    return this.cells.nearest(x, y, near / this.camera.side, (at) => this.isShown(at));
  }

  /**
   * @param {number} left
   * @param {number} top
   */
  hover(left, top) {
    const at = this.met(left, top);
    this.element.classList.toggle('clr-map-met', at >= 0);
    if (at < 0) this.leave();
    else this.tell(at, left, top);
  }

  /**
   * Show the picture of a point beside it.
   *
   * @param {number} at
   * @param {number} left
   * @param {number} top
   */
  async tell(at, left, top) {
    this.hovered += 1;
    const mine = this.hovered;
    /** @type {import('./types.js').Row | undefined} */
    let row;
    try {
      if (!this.rows.known.has(this.rows.ids[at])) await new Promise((done) => setTimeout(done, 50));
      if (mine !== this.hovered) return;
      [row] = await this.rows.of([at]);
    } catch (error) {
      this.wishes.app.fail(error);
    }
    if (mine !== this.hovered || row?.name === undefined) return;
    if (this.card.dataset.id !== String(row.id)) {
      this.card.dataset.id = String(row.id);
      const image = row.missing ? h('span', { class: 'clr-absent' }, 'file not found') : h('img', { alt: '', src: thumbnail(row), onerror: () => image.replaceWith(h('span', { class: 'clr-absent' }, 'cannot be read')) });
      fill(this.card, image, h('b', {}, row.name), h('span', {}, [row.label, row.folder].filter(Boolean).join(' · ')));
    }
    this.card.hidden = false;
    const { width, height } = this.camera;
    const x = left + 18 + this.card.offsetWidth > width ? left - 18 - this.card.offsetWidth : left + 18;
    const y = Math.min(height - this.card.offsetHeight - 8, Math.max(8, top - this.card.offsetHeight / 2));
    this.card.style.transform = `translate(${Math.max(4, x).toFixed(0)}px, ${y.toFixed(0)}px)`;
  }

  leave() {
    this.hovered += 1;
    this.card.hidden = true;
  }

  /**
   * A click searches; a finger, which cannot hover, shows the picture first.
   *
   * @param {number} left
   * @param {number} top
   * @param {boolean} touch
   */
  click(left, top, touch) {
    const at = this.met(left, top, touch ? 2 * NEAR : NEAR);
    if (at < 0) {
      this.leave();
      delete this.card.dataset.touched;
      return;
    }
    const id = this.rows.ids[at];
    if (touch && this.card.dataset.touched !== String(id)) {
      this.card.dataset.touched = String(id);
      this.tell(at, left, top);
    } else this.wishes.choose(id);
  }

  /**
   * @param {[number, number][]} path
   * @param {boolean} done
   */
  lasso(path, done) {
    if (done) this.wishes.lasso(path.length > 2 ? path.map(([left, top]) => this.camera.place(left, top)) : []);
    else this.outline(path);
  }
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} traits
 */
function svg(name, traits) {
  const shape = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [trait, value] of Object.entries(traits)) shape.setAttribute(trait, String(value));
  return shape;
}
