/**
 * A group of copies: its pictures side by side with what differs, and what a person decides.
 */

import { differing } from './differences.js';
import { button, bytesText, counted, fill, h, icon } from './dom.js';
import { thumbnail } from './server.js';

/** @typedef {import('./types.js').Copy} Copy */

/**
 * @typedef {object} Wishes
 * @property {import('./types.js').App} app
 * @property {import('./marks.js').Marks} marks
 * @property {import('./compare.js').Compare} compare
 * @property {number} search
 * @property {import('./types.js').Group} group
 * @property {number} number from 1, as it is shown
 */

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    entry.target.dispatchEvent(new Event('clr-seen'));
  }
}, { rootMargin: '200px' });

/** Questions about files are asked one after the other: each lets the server read some. */
let before = Promise.resolve();

/**
 * @param {Wishes} wishes
 * @returns {HTMLElement}
 */
export function groupCard(wishes) {
  const { app, marks, compare, search, number } = wishes;
  let { group } = wishes;
  const { facts } = compare;
  const title = h('h2', {});
  const said = h('p', { class: 'clr-hint clr-same' });
  const deeds = h('div', { class: 'clr-group-deeds' });
  const list = h('ul', { class: 'clr-pics', role: 'list' });
  const element = h(
    'section',
    { class: `clr-card clr-copy-group ${group.copies.length > 3 ? 'clr-wide' : ''}`, 'aria-label': `Group ${number}` },
    h('div', { class: 'clr-group-head' }, title, deeds),
    said,
    list,
  );
  list.addEventListener('keydown', onKey);
  compare.addEventListener('marked', (event) => {
    if (event instanceof CustomEvent && event.detail === group.place) draw();
  });
  element.addEventListener('clr-seen', () => {
    before = before.then(learn, learn);
  });
  seen.observe(element);
  draw();

  async function learn() {
    try {
      const answer = await app.ask('copies_facts', { search, place: group.place });
      for (const one of answer.facts) facts.set(one.id, one);
      draw();
    } catch {
      // What differs is then told by what is known already; the list is gone, or will be.
    }
  }

  function draw() {
    const go = marks.of(group);
    const { lines, same } = differing(group.copies, facts);
    const focus = document.activeElement;
    const [at, what] = focus instanceof HTMLElement && list.contains(focus)
      ? [[...list.children].findIndex((item) => item.contains(focus)), focus.dataset.do]
      : [-1, ''];
    const kinds = group.exact ? 'the same file' : 'similar';
    const frees = group.copies.filter((copy) => go.has(copy.id)).reduce((sum, copy) => sum + copy.bytes, 0);
    fill(title, `${number}. ${counted(group.count, 'picture')}, ${kinds}`);
    const rest = group.count - group.copies.length;
    said.textContent = [
      frees > 0 && !group.said && `${bytesText(frees)} could go.`,
      same.length > 0 && `The same in all: ${same.join(' · ')}.`,
      rest > 0 && `${counted(rest, 'more is', 'more are')} not shown.`,
    ].filter(Boolean).join(' ');
    fill(deeds, doors());
    fill(list, group.copies.map((copy, place) => picture(copy, lines[place], go.has(copy.id))));
    element.classList.toggle('clr-said', group.said);
    if (at >= 0) {
      const again = list.children[at]?.querySelector(`[data-do="${what}"]`) ?? list.children[at]?.querySelector('button');
      if (again instanceof HTMLElement) again.focus();
    }
  }

  function doors() {
    const may = app.offers.may.write !== false;
    if (group.said) {
      return [
        h('span', { class: 'clr-remembered' }, 'Remembered: no copies, or all to be kept.'),
        may && button('Undo', () => say(null, true)),
      ];
    }
    return [
      marks.own.has(group.place) && button('As proposed', () => {
        marks.reset(group);
        draw();
      }),
      button('Compare', () => open(group.copies[1])),
      may && button('Not copies, or keep all', () => say(null, false), {
        title: 'Remembered in the collection; such groups are not shown again',
      }),
    ];
  }

  /**
   * @param {Copy} copy
   * @param {import('./differences.js').Line[]} lines
   * @param {boolean} go
   */
  function picture(copy, lines, go) {
    const name = copy.name ?? 'removed';
    const stays = group.said || copy.said || !go;
    const image = copy.missing || copy.name === undefined
      ? h('span', { class: 'clr-absent' }, copy.name === undefined ? 'removed' : 'file not found')
      : h('img', { alt: '', src: thumbnail(copy), loading: 'lazy', decoding: 'async', draggable: 'false' });
    image.addEventListener('error', () => image.replaceWith(h('span', { class: 'clr-absent' }, 'cannot be read')));
    return h(
      'li',
      { class: `clr-pic ${stays ? 'clr-stays' : 'clr-goes'}`, 'data-id': copy.id },
      h(
        'button',
        { type: 'button', class: 'clr-pic-look', 'data-do': 'look', 'aria-label': `${stays ? 'keep' : 'could go'}: compare ${name}`, title: 'Compare', onclick: () => open(copy) },
        image,
        h('span', { class: 'clr-verdict' }, stays ? 'keep' : 'could go'),
      ),
      h('b', { class: 'clr-name', title: copy.folder ? `${copy.folder}/${name}` : name }, name),
      h('ul', { class: 'clr-lines', role: 'list' }, lines.map(line), copy.why && !copy.turn && h('li', {}, `kept, too: ${copy.why}`)),
      !group.said && h(
        'div',
        { class: 'clr-pic-deeds' },
        button(go ? 'Keep' : 'Could go', () => toggle(copy), { 'data-do': 'toggle', 'aria-label': `${go ? 'Keep' : 'Could go'}: ${name}` }),
        button('Only this', () => keepOnly(copy), { 'data-do': 'only', 'aria-label': `Only this: ${name}`, title: 'Keep only this; the others could go' }),
        group.count > 2 && app.offers.may.write !== false && button(
          copy.said ? 'Undo: no copy' : 'Not a copy',
          () => say(copy, copy.said),
          { 'data-do': 'say', 'aria-label': `${copy.said ? 'Undo: no copy' : 'Not a copy'}: ${name}` },
        ),
      ),
    );
  }

  /** @param {Copy} copy */
  function toggle(copy) {
    if (!marks.toggle(group, copy.id)) {
      app.say('One picture of a group stays.');
      said.textContent = 'One picture of a group stays: keep another one first.';
      return;
    }
    draw();
    app.say(marks.of(group).has(copy.id) ? `${copy.name} could go` : `${copy.name} is kept`);
  }

  /** @param {Copy} copy */
  function keepOnly(copy) {
    marks.keepOnly(group, copy.id);
    draw();
    app.say(`Only ${copy.name} is kept`);
  }

  /** @param {Copy} copy */
  function open(copy) {
    const kept = group.copies.find((one) => one.id !== copy.id && !marks.of(group).has(one.id));
    const first = kept ?? group.copies.find((one) => one.id !== copy.id) ?? copy;
    compare.open(group, first.id, copy.id);
  }

  /**
   * @param {Copy | null} copy
   * @param {boolean} undo
   */
  async function say(copy, undo) {
    try {
      const one = copy ? { one: true, id: copy.id } : {};
      const answer = await app.ask('copies_say', { search, place: group.place, undo, ...one });
      group = answer.group;
      app.settle();
      draw();
      const back = deeds.querySelector('button');
      if (!copy && back) back.focus();
      app.say(undo ? 'Forgotten again' : 'Remembered in the collection');
    } catch (error) {
      app.fail(error);
    }
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const item = event.target instanceof Element ? event.target.closest('li.clr-pic') : null;
    const copy = group.copies.find((one) => String(one.id) === item?.getAttribute('data-id'));
    if (!copy) return;
    if (event.key === 'k' && !group.said) keepOnly(copy);
    else if (event.key === 'g' && !group.said) toggle(copy);
    else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
      const all = [...document.querySelectorAll('.clr-copies .clr-pic-look')];
      const here = all.findIndex((one) => item?.contains(one));
      const next = all[here + (event.key === 'ArrowRight' ? 1 : -1)];
      if (next instanceof HTMLElement) next.focus();
    } else return;
    event.preventDefault();
  }

  return element;
}

/** @param {import('./differences.js').Line} line */
function line({ what, text, best }) {
  return h('li', { class: best ? 'clr-best' : '' }, best && icon('check'), h('span', { class: 'clr-spoken' }, `${what}: `), text, best && h('span', { class: 'clr-spoken' }, ', the best'));
}
