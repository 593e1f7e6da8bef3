/**
 * The pictures that a person has chosen, to do something with all of them.
 */

export class Selection extends EventTarget {
  constructor() {
    super();
    /** @type {Set<number>} */
    this.ids = new Set();
  }

  /** @returns {number} */
  get size() {
    return this.ids.size;
  }

  /** @param {number | undefined} id */
  has(id) {
    return id !== undefined && this.ids.has(id);
  }

  /** @param {number} id */
  toggle(id) {
    if (!this.ids.delete(id)) this.ids.add(id);
    this.changed();
  }

  /** @param {Iterable<number>} ids */
  add(ids) {
    for (const id of ids) this.ids.add(id);
    this.changed();
  }

  clear() {
    this.ids.clear();
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }
}
