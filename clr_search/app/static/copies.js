/**
 * The Copies tab: the search for copies, its groups, and the list of what could go.
 */

import { Compare } from './compare.js';
import { button, bytesText, counted, fill, h } from './dom.js';
import { groupCard } from './group.js';
import { Marks } from './marks.js';
import { listOf, save, turns } from './server.js';

const PAGE = 20;
const AGAIN = 700; // milliseconds between two questions on how far the search is

const KINDS = { all: 'All groups', same: 'The same file', alike: 'Similar pictures' };
const ORDERS = { most: 'Most pictures first', room: 'Most to free first', name: 'By path' };

/** @typedef {import('./types.js').Group} Group */

/** @param {import('./types.js').App} app */
export function panel(app) {
  const marks = new Marks();
  const status = h('p', { class: 'clr-status' });
  const bar = h('progress', { class: 'clr-progress', 'aria-label': 'Search for copies', hidden: true });
  const find = button('Find copies', () => perform('copies_begin'), { class: 'clr-first' });
  const stop = button('Stop', () => perform('copies_stop'), { hidden: true });
  const stale = h('p', { class: 'clr-hint', hidden: true }, 'The collection has changed since. Search again for what is new.');
  const notes = h('ul', { class: 'clr-notes' });
  const intro = h(
    'p',
    { class: 'clr-hint clr-intro' },
    'Finds the same picture in several files: exact copies, and those that were re-encoded, resized, slightly cropped, ' +
      'mirrored, turned or written on. All are compared by their pixels; in a large collection this takes minutes, ' +
      'and you can go on with other things meanwhile. Nothing is ever deleted here.',
  );
  const kind = choice('Show', KINDS, (value) => app.go({ kind: value === 'all' ? '' : value }));
  const order = choice('Order', ORDERS, (value) => app.go({ order: value === 'most' ? '' : value }));
  const takes = h('span', { class: 'clr-takes' }, /** @type {const} */ ([['text', 'List of paths'], ['csv', 'Table (CSV)'], ['script', 'Script that moves them']]).map(([form, text]) => taking(form, text)));
  const took = h('div', { class: 'clr-took', hidden: true });
  const tools = h(
    'div',
    { class: 'clr-copies-tools', hidden: true },
    kind.element,
    order.element,
    h('div', { class: 'clr-field clr-take' }, h('span', {}, 'Take what is marked to go'), takes),
  );
  const list = h('div', { class: 'clr-copies-groups' });
  const more = button('Show more groups', () => extend(), { hidden: true, class: 'clr-more-groups' });
  const element = h(
    'section',
    { class: 'clr-copies' },
    h('div', { class: 'clr-copies-head' }, find, stop, bar, status),
    intro, stale, notes, tools, took, list, more,
  );
  const compare = new Compare(app, marks);
  element.append(compare.element);
  /** @type {Group[]} */
  let groups = [];
  let search = 0;
  let shown = '';
  let total = 0;
  const turn = turns();
  let last = turn();
  let running = false;
  let asking = false;

  new IntersectionObserver((seen) => {
    if (seen.some((one) => one.isIntersecting) && !more.hidden) extend();
  }, { rootMargin: '600px' }).observe(more);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && running && !element.hidden) ask();
  });

  /** @param {'copies_begin' | 'copies_stop'} what */
  async function perform(what) {
    try {
      app.settle();
      tell(await app.ask(what));
      if (what === 'copies_begin') app.say('Looking for copies');
    } catch (error) {
      app.fail(error);
      ask();
    }
  }

  /** Ask how far the search is, again and again while it goes on and somebody looks. */
  async function ask() {
    if (asking) return;
    asking = true;
    try {
      await tell(await app.ask('copies'));
    } catch (error) {
      app.fail(error);
    } finally {
      asking = false;
    }
  }

  /** @param {any} told */
  async function tell({ doing, failed, found }) {
    const before = running;
    running = doing !== null;
    find.hidden = running;
    stop.hidden = bar.hidden = !running;
    find.replaceChildren(found ? 'Search again' : 'Find copies');
    find.classList.toggle('clr-first', !found || found.stale);
    intro.hidden = found !== null || running;
    if (running) {
      status.textContent = progressText(doing);
      if (doing.total) {
        bar.max = doing.total;
        bar.value = doing.done;
      } else bar.removeAttribute('value');
      setTimeout(() => {
        if (!document.hidden && !element.hidden) ask();
      }, AGAIN);
    } else if (failed) status.textContent = `${failed.what} ${failed.remedy}`;
    else status.textContent = found ? summary(found) : '';
    if (before && !running) app.say(status.textContent);
    stale.hidden = running || !found?.stale;
    fill(notes, found && !running ? leftOut(found).map((text) => h('li', {}, text)) : []);
    tools.hidden = !found?.groups;
    if (found) await look(found.search);
  }

  /** @param {number} number */
  async function look(number) {
    const { kind: kinds, order: orders } = app.state();
    const wanted = JSON.stringify([number, kinds, orders]);
    if (wanted === shown) return;
    search = number;
    marks.follow(number, document.title);
    kind.show(kinds || 'all');
    order.show(orders || 'most');
    const mine = turn();
    last = mine;
    const answer = await more20(0);
    if (!mine()) return;
    shown = wanted;
    groups = [];
    list.replaceChildren();
    add(answer);
    if (!answer.total && number && tools.hidden === false) list.append(h('p', { class: 'clr-empty' }, 'No group is of this kind.'));
  }

  /** @param {number} offset */
  function more20(offset) {
    const { kind: kinds, order: orders } = app.state();
    return app.ask('copies_groups', { search, kind: kinds, order: orders, offset, count: PAGE });
  }

  let extending = false;
  async function extend() {
    if (extending) return;
    extending = true;
    const mine = last;
    try {
      const answer = await more20(groups.length);
      if (mine()) add(answer);
    } catch (error) {
      app.fail(error);
    } finally {
      extending = false;
    }
  }

  /** @param {{total: number, groups: Group[]}} answer */
  function add(answer) {
    total = answer.total;
    for (const group of answer.groups) {
      groups.push(group);
      list.append(groupCard({ app, marks, compare, search, group, number: groups.length }));
    }
    more.hidden = groups.length >= total || !answer.groups.length;
  }

  /**
   * @param {'text' | 'csv' | 'script'} form
   * @param {string} text
   */
  function taking(form, text) {
    const door = button(text, async () => {
      door.setAttribute('aria-busy', 'true');
      took.hidden = false;
      fill(took, 'Reading the files that are marked, so that only what is true now is listed …');
      try {
        const wanted = { search, form, kind: app.state().kind, marks: marks.asJson() };
        const last = await listOf(wanted, (done, all) => {
          fill(took, `Reading the files that are marked: ${done.toLocaleString('en')} of ${counted(all, 'group')} …`);
        });
        if (last.count) save(new Blob([Uint8Array.from(atob(last.data), (sign) => sign.charCodeAt(0))]), last.name);
        taken(last);
      } catch (error) {
        took.hidden = true;
        app.fail(error);
      } finally {
        door.removeAttribute('aria-busy');
      }
    });
    return door;
  }

  /** @param {any} last */
  function taken({ name, count, frees, left_out: left, why }) {
    const said = count
      ? `${name} lists ${counted(count, 'file')}, ${bytesText(frees)}. Nothing has been deleted.`
      : 'Nothing is listed.';
    const rest = left > 0 && ` ${counted(left, 'file')} left out:`;
    fill(
      took,
      h('span', {}, said, rest),
      left > 0 && h('ul', {}, why.map((/** @type {[string, string]} */ [path, reason]) => h('li', {}, `${path}: ${reason}`))),
      left > why.length && h('p', {}, `and ${counted(left - why.length, 'more', 'more')}`),
    );
    app.say(said);
  }

  return {
    element,
    /** @param {import('./types.js').State} state */
    async show(state) {
      await ask();
      await compare.follow(state.pair, groups);
    },
  };
}

/** @param {{what: string, done: number, total: number | null, unit: string, seconds: number}} doing */
function progressText({ what, done, total, unit, seconds }) {
  const count = total ? `: ${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${unit}` : ' …';
  const left = total && done > 20 && done < total && seconds > 3 ? `, ${Math.round(seconds)} s so far` : '';
  return what + count + left;
}

/** @param {any} found */
function summary(found) {
  if (!found.groups) return `No copies among ${counted(found.pictures)}.`;
  const groups = `${counted(found.groups, 'group')} of copies among ${counted(found.pictures)}`;
  const same = found.same ? ` (${found.same.toLocaleString('en')} of the same file)` : '';
  return `${groups}${same}. ${counted(found.could_go, 'file')} could go, ${bytesText(found.frees)}.`;
}

/**
 * Say what is in no group, and what to do about it.
 *
 * @param {any} found
 */
function leftOut({ gone, unread, unjudged, dismissed }) {
  return [
    gone && `${counted(gone)} gone or out of reach: not compared, and on no list. Bring the files back, or run clr-search build-index.`,
    unread && `${counted(unread)} cannot be read, or changed since they were indexed. Run clr-search build-index again.`,
    unjudged && `${counted(unjudged)} too even, dark or blank to be compared: only exact copies of them are found.`,
    dismissed && `${counted(dismissed, 'pair')} left out, as people have said that they are no copies or all to be kept.`,
  ].filter(Boolean);
}

/**
 * @param {string} name
 * @param {Record<string, string>} among
 * @param {(value: string) => void} chosen
 */
function choice(name, among, chosen) {
  const select = h('select', { onchange: () => chosen(select.value) }, Object.entries(among).map(([value, text]) => h('option', { value }, text)));
  return {
    element: h('label', { class: 'clr-field' }, h('span', {}, name), select),
    /** @param {string} value */
    show(value) {
      select.value = value in among ? value : Object.keys(among)[0];
    },
  };
}
