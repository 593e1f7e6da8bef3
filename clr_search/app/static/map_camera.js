/**
 * Where one looks at a map: its middle, and how near. The map is the square from (0, 0) to (1, 1).
 */

const FARTHEST = 0.8;
const NEAREST = 200;
const FILLED = 0.94; // of the shorter side of the window, by the whole map

export class Camera {
  constructor() {
    this.width = this.height = 1; // of the window, in CSS pixels
    this.x = this.y = 0.5;
    this.zoom = 1;
  }

  /** How many CSS pixels the map is wide. */
  get side() {
    return FILLED * Math.min(this.width, this.height) * this.zoom;
  }

  /** Show the whole map. */
  reset() {
    this.x = this.y = 0.5;
    this.zoom = 1;
  }

  /**
   * Return the place in the window of a place on the map.
   *
   * @param {number} x
   * @param {number} y
   * @returns {[number, number]}
   */
  seen(x, y) {
    const { side } = this;
    return [this.width / 2 + (x - this.x) * side, this.height / 2 + (y - this.y) * side];
  }

  /**
   * Return the place on the map of a place in the window.
   *
   * @param {number} left
   * @param {number} top
   * @returns {[number, number]}
   */
  place(left, top) {
    const { side } = this;
    return [this.x + (left - this.width / 2) / side, this.y + (top - this.height / 2) / side];
  }

  /**
   * Move what is seen by some pixels.
   *
   * @param {number} right
   * @param {number} down
   */
  move(right, down) {
    this.x = Math.min(1.1, Math.max(-0.1, this.x - right / this.side));
    this.y = Math.min(1.1, Math.max(-0.1, this.y - down / this.side));
  }

  /**
   * Go nearer, so that what is at a place of the window stays there.
   *
   * @param {number} factor
   * @param {number} [left]
   * @param {number} [top]
   */
  nearer(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.place(left, top);
    this.zoom = Math.min(NEAREST, Math.max(FARTHEST, this.zoom * factor));
    const [nowLeft, nowTop] = this.seen(x, y);
    this.move(left - nowLeft, top - nowTop);
  }

  /** What is seen of the map: left, top, right and bottom edge. */
  get box() {
    return [...this.place(0, 0), ...this.place(this.width, this.height)];
  }

  /** Where one looks, as the address has it; empty for the whole map. */
  get written() {
    if (this.zoom === 1 && this.x === 0.5 && this.y === 0.5) return '';
    return [this.x.toFixed(4), this.y.toFixed(4), Number(this.zoom.toPrecision(4))].join(',');
  }

  /** @param {string} text as `written`; anything else shows the whole map */
  read(text) {
    const [x, y, zoom] = text.split(',').map(Number);
    this.reset();
    if (![x, y, zoom].every(Number.isFinite)) return;
    this.x = Math.min(1.1, Math.max(-0.1, x));
    this.y = Math.min(1.1, Math.max(-0.1, y));
    this.zoom = Math.min(NEAREST, Math.max(FARTHEST, zoom));
  }
}
