/**
 * What a person has marked to go, group by group; where nothing is said, as it is proposed.
 */

/** @typedef {import('./types.js').Group} Group */

export class Marks {
  constructor() {
    this.search = 0;
    this.key = '';
    /** @type {Map<number, Set<number>>} ids of what could go, by the place of the group */
    this.own = new Map();
  }

  /**
   * Begin anew for another search, or go on with what was marked before the page was loaded again.
   *
   * @param {number} search
   * @param {string} collection
   */
  follow(search, collection) {
    const key = `clr-marks ${collection} ${search}`;
    if (this.key === key) return;
    this.key = key;
    this.search = search;
    this.own = new Map();
    try {
      const kept = JSON.parse(sessionStorage.getItem(key) ?? '[]');
      for (const { place, go } of kept) this.own.set(Number(place), new Set(go.map(Number)));
    } catch {
      // What was marked is gone where a browser forbids to remember it.
    }
  }

  /**
   * Return the ids of what could go of a group.
   *
   * @param {Group} group
   * @returns {Set<number>}
   */
  of(group) {
    return this.own.get(group.place) ?? new Set(group.go);
  }

  /**
   * Mark a picture to go, or to be kept; one of each group stays.
   *
   * @param {Group} group
   * @param {number} id
   * @returns {boolean} whether it could be marked
   */
  toggle(group, id) {
    const go = new Set(this.of(group));
    if (!go.delete(id)) {
      go.add(id);
      if (go.size >= group.count) return false;
    }
    this.set(group, go);
    return true;
  }

  /**
   * Keep one picture, and mark all others that are shown to go.
   *
   * @param {Group} group
   * @param {number} id
   */
  keepOnly(group, id) {
    const go = new Set(group.go);
    for (const copy of group.copies) go.add(copy.id);
    go.delete(id);
    this.set(group, go);
  }

  /**
   * Mark a group as it is proposed.
   *
   * @param {Group} group
   */
  reset(group) {
    this.own.delete(group.place);
    this.keep();
  }

  /**
   * @param {Group} group
   * @param {Set<number>} go
   */
  set(group, go) {
    this.own.set(group.place, go);
    this.keep();
  }

  /** What the server is told: the groups that are marked otherwise than proposed. */
  asJson() {
    return [...this.own].map(([place, go]) => ({ place, go: [...go] }));
  }

  keep() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.asJson()));
    } catch {
      // as above
    }
  }
}
