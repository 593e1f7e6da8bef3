/**
 * The pictures of a map that are shown because they are near: a few, that do not lie on each other.
 */

import { fill, h } from './dom.js';
import { thumbnail, turns } from './server.js';

const MOST = 200;
const LEAST_SIDE = 28;
const LARGEST_SIDE = 84;
const ROOM = 1.5; // how much wider than its share of the window a picture may be

/**
 * @typedef {object} Shown
 * @property {number} at which point
 * @property {number} left its middle, when it was placed
 * @property {number} top
 */

export class Pictures {
  /**
   * @param {import('./map_camera.js').Camera} camera
   * @param {import('./map_rows.js').Rows} rows
   */
  constructor(camera, rows) {
    this.camera = camera;
    this.rows = rows;
    this.element = h('div', { class: 'clr-map-pictures', 'aria-hidden': 'true' });
    /** @type {Shown[]} */
    this.shown = [];
    this.side = 0;
    this.turn = turns();
    /** @type {Map<number, HTMLImageElement>} */
    this.images = new Map();
    this.corner = [0, 0]; // of the map, when the pictures were placed
    this.scale = 1;
  }

  /**
   * Choose the pictures for what is seen now.
   *
   * @param {import('./map_cells.js').Cells} cells
   * @param {(at: number) => boolean} counts whether a point is shown
   * @param {(at: number) => string} colour of a point
   */
  async choose(cells, counts, colour) {
    const last = this.turn();
    const { camera } = this;
    const area = camera.width * camera.height;
    const about = Math.max(1, cells.count(camera.box));
    this.side = Math.min(LARGEST_SIDE, Math.round(ROOM * Math.sqrt(area / about)));
    this.shown = this.side < LEAST_SIDE ? [] : this.spread(cells.within(camera.box).filter(counts), cells);
    const rows = await this.rows.of(this.shown.map(({ at }) => at));
    if (!last()) return;
    /** @type {Map<number, HTMLImageElement>} */
    const images = new Map();
    this.corner = camera.seen(0, 0);
    this.scale = camera.side;
    this.shown = this.shown.filter(({ at }, place) => {
      const row = rows[place];
      if (row?.name === undefined || row.missing) return false;
      const image = this.images.get(at) ?? h('img', { alt: '', decoding: 'async', src: thumbnail(row), draggable: 'false', onerror: () => image.remove() });
      images.set(at, image);
      return true;
    });
    for (const one of this.shown) {
      [one.left, one.top] = camera.seen(...cells.place(one.at));
      const image = /** @type {HTMLImageElement} */ (images.get(one.at));
      image.style.cssText = `width:${this.side}px;height:${this.side}px;border-color:${colour(one.at)};transform:translate(${(one.left - this.side / 2).toFixed(1)}px,${(one.top - this.side / 2).toFixed(1)}px)`;
    }
    this.images = images;
    fill(this.element, ...images.values());
    this.follow();
  }

  /**
   * Return those points whose pictures do not lie on each other, the first first.
   *
   * @param {number[]} points
   * @param {import('./map_cells.js').Cells} cells
   * @returns {Shown[]}
   */
  spread(points, cells) {
    const apart = this.side + 3;
    /** @type {Map<string, Shown>} */
    const taken = new Map();
    for (const at of points) {
      if (taken.size >= MOST) break;
      const [left, top] = this.camera.seen(...cells.place(at));
      const [column, line] = [Math.floor(left / apart), Math.floor(top / apart)];
      let free = true;
      for (let right = -1; right <= 1 && free; right += 1) {
        for (let down = -1; down <= 1 && free; down += 1) {
          const other = taken.get(`${column + right},${line + down}`);
          free = !other || Math.max(Math.abs(other.left - left), Math.abs(other.top - top)) >= apart;
        }
      }
      if (free) taken.set(`${column},${line}`, { at, left, top });
    }
    return [...taken.values()];
  }

  /** Move and scale with the camera, until others are chosen. */
  follow() {
    const grown = this.camera.side / this.scale;
    const [left, top] = this.camera.seen(0, 0);
    const right = left - this.corner[0] * grown;
    const down = top - this.corner[1] * grown;
    this.element.style.transform = `translate(${right.toFixed(2)}px, ${down.toFixed(2)}px) scale(${grown.toFixed(5)})`;
    this.grown = grown;
    this.moved = [right, down];
  }

  /**
   * Return the point whose picture lies at a place of the window; -1 where there is none.
   *
   * @param {number} left
   * @param {number} top
   */
  under(left, top) {
    const [right, down] = this.moved ?? [0, 0];
    const grown = this.grown ?? 1;
    const half = this.side / 2;
    const x = (left - right) / grown;
    const y = (top - down) / grown;
    return this.shown.find((one) => Math.abs(one.left - x) <= half && Math.abs(one.top - y) <= half)?.at ?? -1;
  }
}
