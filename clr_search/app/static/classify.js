/**
 * What a picture is taken for, and what the whole collection is.
 */

import { bringing } from './bringing.js';
import { button, counted, duration, fill, h, icon, percent } from './dom.js';
import { large, thumbnail, turns } from './server.js';

/** @param {import('./types.js').App} app */
export function classifying(app) {
  const bring = bringing(app, (terms) => app.go({ terms: terms.slice(-1) }));
  const chance = button([icon('dice'), 'Surprise me'], async () => {
    try {
      const { id } = await app.ask('chance', { search: {} });
      app.go({ terms: [{ id, weight: 1 }] });
    } catch (error) {
      app.fail(error);
    }
  });
  const by = h('select', { 'aria-label': 'By which classifier' }, h('option', { value: 'labels' }, 'by your labels'), h('option', { value: 'given' }, 'by the classifier given'));
  by.addEventListener('change', () => app.go({ as: by.value === 'given' ? 'given' : 'labels' }));
  const result = h('div', { class: 'clr-taken' });
  const turn = turns();
  const element = h('div', { class: 'clr-classify', hidden: true }, h('div', { class: 'clr-query' }, bring.element, by, h('div', { class: 'clr-query-end' }, chance)), result);

  /** @param {import('./types.js').State} state */
  async function show(state) {
    const last = turn();
    const there = await app.ask('classifiers');
    if (!last()) return;
    by.hidden = !(there.given && there.taught);
    by.value = (there.given && state.as !== 'labels') || !there.taught ? 'given' : 'labels';
    const term = state.terms[0];
    if (!there.given && !there.taught) {
      fill(result, h('p', { class: 'clr-empty' }, 'There is no classifier yet: label pictures of two classes, or start the app with --probe.'));
      return;
    }
    if (!term) {
      fill(result, h('p', { class: 'clr-empty' }, 'Bring a picture, and see what it is taken for.'));
      return;
    }
    const [found, told] = await Promise.all([
      app.ask('classify', { term, by: by.value }),
      app.ask('terms', { terms: [term] }),
    ]);
    if (last()) tell(found, told.terms[0]);
  }

  /** @param {any} found @param {import('./types.js').Row} row */
  function tell(found, row) {
    const none = found.known === false;
    const best = found.shares[0];
    const said = none ? 'None of these' : best[0];
    app.say(none ? 'None of these classes' : `${best[0]}, ${percent(best[1])}`);
    const may = app.offers.may.large !== false;
    fill(
      result,
      h('img', { class: 'clr-taken-picture', alt: row.name ?? '', src: may ? large(row) : thumbnail(row) }),
      h(
        'div',
        { class: 'clr-taken-text' },
        h('h2', {}, said),
        none && h('p', {}, 'It is unlike all pictures of the classes. If it were of one of them:'),
        h('ul', { class: 'clr-shares', role: 'list' }, found.shares.map((/** @type {[string, number]} */ [name, share]) =>
          h('li', {}, h('span', {}, name), h('span', { class: 'clr-share', 'aria-hidden': 'true' }, h('i', { style: `width:${(100 * share).toFixed(1)}%` })), h('span', { class: 'clr-size' }, percent(share))))),
        h('p', { class: 'clr-hint' }, remark(found)),
        row.name !== undefined && h('p', { class: 'clr-hint' }, row.name, row.label ? `, labelled ${row.label}` : ''),
        h('div', { class: 'clr-deeds' }, button('Search for pictures like it', () => app.go({ tab: 'search' }))),
      ),
    );
  }
  return { element, show };
}

/**
 * Say how far a classification can be trusted.
 *
 * @param {any} found
 */
function remark(found) {
  let text = `${counted(found.classes, 'class', 'classes')}${found.classes > found.shares.length ? `, the best ${found.shares.length} shown` : ''}, in ${duration(found.seconds)}.`;
  if (typeof found.accuracy === 'number') text += ` On pictures kept aside, it was right ${percent(found.accuracy)} of the time.`;
  if (typeof found.refused !== 'number') return `${text} It cannot tell pictures of other things.`;
  text += ` It refuses ${percent(found.refused)} of new pictures of its classes`;
  return typeof found.caught === 'number'
    ? `${text}, and about ${percent(found.caught)} of those of other things.`
    : `${text}; how many of other things, could not be estimated.`;
}

/**
 * All classes of the collection, by label and by guess; a click shows the pictures.
 *
 * @param {import('./types.js').App} app
 */
export function whole(app) {
  const element = h('div', { class: 'clr-whole', hidden: true });
  const turn = turns();

  /** @param {import('./types.js').State} state */
  async function show(state) {
    const last = turn();
    let found;
    try {
      found = await app.ask('all');
      if (!last()) return;
    } catch (error) {
      fill(element, h('p', { class: 'clr-empty' }, `${error instanceof Error ? error.message : error} Label pictures of two classes.`));
      return;
    }
    const { total, classes, novel, saved } = found;
    const most = Math.max(1, novel ?? 0, ...classes.map((/** @type {any} */ one) => one.labelled + one.guessed));
    /** @type {(title: string, labelled: number, guessed: number, go: Partial<import('./types.js').State>, on: boolean) => HTMLElement} */
    const line = (title, labelled, guessed, go, on) =>
      h('li', {}, h(
        'button',
        { type: 'button', class: 'clr-whole-line', 'aria-pressed': String(on), onclick: () => app.go(go) },
        h('span', { class: 'clr-class-name' }, title),
        h('span', { class: 'clr-bar', 'aria-hidden': 'true' }, h('i', { style: `width:${(100 * labelled) / most}%` }), h('i', { class: 'clr-guessed', style: `width:${(100 * guessed) / most}%` })),
        h('span', { class: 'clr-size' }, `${percent((labelled + guessed) / Math.max(1, total))}: ${labelled.toLocaleString('en')} labelled, ${guessed.toLocaleString('en')} guessed`),
      ));
    fill(
      element,
      h('p', { class: 'clr-hint' }, `What the ${counted(total)} are: those without a label as they are taken for. ${saved ? 'By the classifier that was made of these labels.' : 'Make the classifier to tell what is of none of the classes, too.'}`),
      h('ul', { role: 'list' }, classes.map((/** @type {any} */ one) =>
        line(one.name, one.labelled, one.guessed, one.guessed ? { show: 'guess', of: one.name } : { show: 'class', of: one.name }, state.show === 'guess' && state.of === one.name)),
        novel !== null && line('None of these', 0, novel, { show: 'novel', of: '' }, state.show === 'novel')),
    );
  }
  return { element, show };
}
