/**
 * What is known of the pictures of a map: it is asked for as they are looked at.
 */

const MOST = 3000; // rows that are remembered

export class Rows {
  /** @param {(name: string, args?: object) => Promise<any>} ask */
  constructor(ask) {
    this.ask = ask;
    /** @type {Uint32Array | Float64Array} */
    this.ids = new Uint32Array(0);
    /** @type {Map<number, import('./types.js').Row>} */
    this.known = new Map();
  }

  /** @param {Uint32Array | Float64Array} ids of the points, in their order */
  show(ids) {
    this.ids = ids;
    this.known.clear();
  }

  /**
   * Return the rows of some points.
   *
   * @param {number[]} points
   * @returns {Promise<(import('./types.js').Row | undefined)[]>}
   */
  async of(points) {
    const ids = points.map((at) => this.ids[at]);
    const news = ids.filter((id) => !this.known.has(id));
    if (news.length) {
      const { rows } = await this.ask('rows', { ids: news });
      if (this.known.size > MOST) this.known.clear();
      for (const row of rows) this.known.set(row.id, row);
    }
    const unknown = ids.filter((id) => !this.known.has(id));
    if (unknown.length && unknown.length < ids.length) return this.of(points); // others were forgotten
    return ids.map((id) => this.known.get(id));
  }
}
