/**
 * The classes and labels as the page knows them, and how they are changed.
 */

/** @typedef {{name: string, count: number, measured: number, right: number}} Class */

/**
 * What is learnt of the labels.
 *
 * @typedef {object} Lesson
 * @property {number} number
 * @property {number} total
 * @property {number} labelled
 * @property {boolean} given
 * @property {Class[]} classes
 * @property {number} [accuracy]
 * @property {[number, number]} [interval]
 * @property {number} [chance]
 * @property {number} [majority]
 * @property {number} [measured]
 * @property {boolean} saved
 */

const UNDOS = 50;

export class Labels extends EventTarget {
  /** @param {import('./types.js').App} app */
  constructor(app) {
    super();
    this.app = app;
    /** @type {Lesson | null} */
    this.lesson = null;
    this.active = '';
    /** @type {string[]} */
    this.undos = [];
    /** @type {Map<number, string>} labels that are on their way to the server */
    this.waiting = new Map();
    /** @type {Promise<void> | null} */
    this.sending = null;
    this.place = `clr-classes:${document.title}`;
    this.order = this.remembered();
  }

  /**
   * The classes in the order of their keys: those that a person has named or moved, then all others.
   *
   * @returns {Class[]}
   */
  classes() {
    const known = new Map(this.lesson?.classes.map((one) => [one.name, one]) ?? []);
    const named = this.order.map((name) => known.get(name) ?? { name, count: 0, measured: 0, right: 0 });
    return [...named, ...[...known.values()].filter((one) => !this.order.includes(one.name))];
  }

  async refresh() {
    this.learn(await this.app.ask('lesson'));
  }

  /** @param {Lesson} lesson */
  learn(lesson) {
    this.lesson = lesson;
    if (!this.classes().some((one) => one.name === this.active)) this.active = '';
    this.dispatchEvent(new Event('change'));
  }

  /** @param {string} name */
  activate(name) {
    this.active = name === this.active ? '' : name;
    this.dispatchEvent(new Event('change'));
  }

  /** @param {string} given */
  name(given) {
    const name = given.trim().replace(/\s+/g, ' ');
    if (!name) return;
    if (!this.classes().some((one) => one.name === name)) {
      this.order = [...this.classes().map((one) => one.name), name];
      this.remember();
    }
    this.active = name;
    this.dispatchEvent(new Event('change'));
  }

  /**
   * Give a class the first key.
   *
   * @param {string} name
   */
  first(name) {
    this.order = [name, ...this.classes().map((one) => one.name).filter((one) => one !== name)];
    this.remember();
    this.dispatchEvent(new Event('change'));
  }

  /** @param {string} name */
  forget(name) {
    this.order = this.order.filter((one) => one !== name);
    this.remember();
  }

  /**
   * Give pictures a label; an empty one takes it away. What is shown changes at once.
   *
   * @param {number[]} ids
   * @param {string} name
   */
  put(ids, name) {
    for (const id of ids) this.waiting.set(id, name);
    this.told(new Map(ids.map((id) => [id, name])));
    this.sending ??= this.send();
    return this.sending;
  }

  async send() {
    await null; // so that what is said at once goes together
    try {
      while (this.waiting.size) {
        const part = [...this.waiting].slice(0, 2000);
        for (const [id] of part) this.waiting.delete(id);
        /** @type {Map<string, number[]>} */
        const byName = new Map();
        for (const [id, name] of part) byName.set(name, [...(byName.get(name) ?? []), id]);
        const changes = [...byName].map(([label, ids]) => ({ label, ids }));
        this.done(await this.app.ask('label', { changes }));
      }
    } catch (error) {
      this.waiting.clear();
      this.app.fail(error);
      this.dispatchEvent(new Event('lost'));
    } finally {
      this.sending = null;
    }
  }

  /** @param {Lesson & {undo?: string}} answer */
  done(answer) {
    if (answer.undo) this.undos = [...this.undos, answer.undo].slice(-UNDOS);
    this.learn(answer);
  }

  async undo() {
    await this.sending;
    const undo = this.undos.pop();
    if (!undo) return;
    try {
      const answer = await this.app.ask('undo', { undo });
      this.learn(answer);
      this.app.say(`Undone: ${answer.changed}`);
      if (answer.labels) {
        this.told(new Map(answer.labels.map((/** @type {[number, string | null]} */ [id, label]) => [id, label ?? ''])));
      } else this.dispatchEvent(new Event('lost'));
    } catch (error) {
      this.app.fail(error);
    }
  }

  /**
   * Ask for a change of many labels.
   *
   * @param {'rename' | 'relabel'} what
   * @param {object} args
   */
  async ask(what, args) {
    await this.sending;
    try {
      this.done(await this.app.ask(what, args));
    } catch (error) {
      this.app.fail(error);
    }
    this.dispatchEvent(new Event('lost'));
  }

  /** @param {Map<number, string>} labels */
  told(labels) {
    this.dispatchEvent(new CustomEvent('labels', { detail: labels }));
  }

  /** @returns {string[]} */
  remembered() {
    try {
      const names = JSON.parse(localStorage.getItem(this.place) ?? '[]');
      return Array.isArray(names) ? names.filter((name) => typeof name === 'string').slice(0, 1000) : [];
    } catch {
      return [];
    }
  }

  remember() {
    try {
      localStorage.setItem(this.place, JSON.stringify(this.order));
    } catch {
      // A browser may forbid to remember; the order then lasts as long as the page.
    }
  }
}
