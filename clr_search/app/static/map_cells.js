/**
 * Which points of a map lie where: they are sorted into cells, so that few are looked at.
 */

const CELLS = 256; // in a row; a cell is 256 of the 65,536 steps wide
const STEPS = 65535;

/** @param {number} value in [0, 1] */
const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor((value * STEPS) / CELLS)));

export class Cells {
  /** @param {Uint16Array} places x and y of each point */
  constructor(places) {
    this.places = places;
    const count = places.length / 2;
    const first = new Uint32Array(CELLS * CELLS + 1);
    const cells = new Uint16Array(count);
    for (let at = 0; at < count; at += 1) {
      cells[at] = (places[2 * at + 1] >> 8) * CELLS + (places[2 * at] >> 8);
      first[cells[at] + 1] += 1;
    }
    for (let cell = 0; cell < CELLS * CELLS; cell += 1) first[cell + 1] += first[cell];
    const next = first.slice();
    this.order = new Uint32Array(count);
    for (let at = 0; at < count; at += 1) {
      this.order[next[cells[at]]] = at;
      next[cells[at]] += 1;
    }
    this.first = first;
  }

  /**
   * Return the place of a point on the map.
   *
   * @param {number} at
   * @returns {[number, number]}
   */
  place(at) {
    return [this.places[2 * at] / STEPS, this.places[2 * at + 1] / STEPS];
  }

  /**
   * Return about how many points lie in a box: those of all cells that it touches.
   *
   * @param {number[]} box left, top, right, bottom
   */
  count([left, top, right, bottom]) {
    if (right < 0 || bottom < 0 || left > 1 || top > 1) return 0;
    let count = 0;
    for (let row = cellOf(top); row <= cellOf(bottom); row += 1) {
      count += this.first[row * CELLS + cellOf(right) + 1] - this.first[row * CELLS + cellOf(left)];
    }
    return count;
  }

  /**
   * Return the points in a box, ascending.
   *
   * @param {number[]} box left, top, right, bottom
   * @returns {number[]}
   */
  within([left, top, right, bottom]) {
    /** @type {number[]} */
    const found = [];
    if (right < 0 || bottom < 0 || left > 1 || top > 1) return found;
    for (let row = cellOf(top); row <= cellOf(bottom); row += 1) {
      const end = this.first[row * CELLS + cellOf(right) + 1];
      for (let one = this.first[row * CELLS + cellOf(left)]; one < end; one += 1) {
        const at = this.order[one];
        const [x, y] = this.place(at);
        if (x >= left && x <= right && y >= top && y <= bottom) found.push(at);
      }
    }
    return found.sort((one, other) => one - other);
  }

  /**
   * Return the point that is nearest to a place; -1 where none is near.
   *
   * @param {number} x
   * @param {number} y
   * @param {number} radius
   * @param {(at: number) => boolean} counts whether a point counts
   */
  nearest(x, y, radius, counts) {
    let best = -1;
    let least = radius;
    for (const at of this.within([x - radius, y - radius, x + radius, y + radius])) {
      const [left, top] = this.place(at);
      const away = Math.hypot(left - x, top - y);
      if (away < least && counts(at)) [best, least] = [at, away];
    }
    return best;
  }

  /**
   * Return the points in an area.
   *
   * @param {[number, number][]} corners
   * @returns {number[]}
   */
  inside(corners) {
    const xs = corners.map(([x]) => x);
    const ys = corners.map(([, y]) => y);
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    return this.within(box).filter((at) => isInside(this.place(at), corners));
  }
}

/**
 * Whether a place lies in an area: a ray from it crosses the edge an odd number of times.
 *
 * @param {[number, number]} place
 * @param {[number, number][]} corners
 */
export function isInside([x, y], corners) {
  let inside = false;
  corners.forEach(([right, lower], at) => {
    const [left, upper] = corners[(at + corners.length - 1) % corners.length];
    const crosses = lower > y !== upper > y;
    if (crosses && x < ((left - right) * (y - lower)) / (upper - lower) + right) inside = !inside;
  });
  return inside;
}

const MOST_CORNERS = 48;

/**
 * Write an area as the address has it: `1250_3000.1300_3100.…`, in ten-thousandths of the map.
 *
 * @param {[number, number][]} corners
 */
export function writtenArea(corners) {
  const step = Math.max(1, corners.length / MOST_CORNERS);
  const few = Array.from({ length: Math.min(corners.length, MOST_CORNERS) }, (_, at) => corners[Math.floor(at * step)]);
  return few.map((corner) => corner.map((value) => Math.round(value * 10_000)).join('_')).join('.');
}

/**
 * Read an area; none where the text is none.
 *
 * @param {string} text
 * @returns {[number, number][]}
 */
export function readArea(text) {
  if (!/^-?\d{1,6}_-?\d{1,6}(\.-?\d{1,6}_-?\d{1,6}){2,63}$/.test(text)) return [];
  return text.split('.').map((corner) => {
    const [x, y] = corner.split('_').map((value) => Number(value) / 10_000);
    return [x, y];
  });
}
