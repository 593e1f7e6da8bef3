/**
 * The Training tab: how a run goes, what its network sees, and how it learns.
 */

import { chart, percent } from './chart.js';
import { counted, fill, h } from './dom.js';
import { route, turns } from './server.js';

const AGAIN = 5000; // milliseconds between two looks at a run

/** @param {import('./types.js').App} app */
export function panel(app) {
  const status = h('p', { class: 'clr-status' });
  const charts = h('div', { class: 'clr-about' });
  const learning = h('div', {});
  const seen = h('div', {});
  const settings = h('div', {});
  const element = h('section', { class: 'clr-training' }, status, charts, learning, seen, settings);
  /** @type {any} */
  let run = null;
  let timer = 0;
  let early = 0;
  const turn = turns();

  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && !element.hidden) look();
  });

  async function look() {
    clearTimeout(timer);
    try {
      const told = await app.ask('training', { tag: run?.tag ?? '' });
      app.settle();
      if (told.same) run.age = told.age;
      else {
        run = told;
        await draw();
      }
      status.textContent = standing(run);
    } catch (error) {
      app.fail(error);
    }
    timer = window.setTimeout(() => {
      if (!document.hidden && !element.hidden) look();
    }, AGAIN);
  }

  async function draw() {
    const { at, series } = run;
    /** @type {(name: string, key: string) => {name: string, values: (number | null)[]}[]} */
    const line = (name, key) => (series[key] ? [{ name, values: series[key] }] : []);
    /** @type {[string, {name: string, values: (number | null)[]}[], object?][]} */
    const drawn = [
      ['Loss', [...line('training', 'loss'), ...line('held-out pictures', 'held_out_loss')]],
      ['Accuracy', [...line('contrastive', 'contrastive_accuracy'), ...line('kNN, by folders', 'knn_accuracy')], { least: 0, most: 1, show: percent }],
      ['Effective rank of h', line('rank', 'effective_rank'), { least: 0, hint: 'Near 1, all pictures have collapsed to one vector' }],
      ['Mean cosine of h', line('cosine', 'mean_cosine'), { most: 1, hint: 'Near 1, all pictures have collapsed to one vector' }],
      ['Learning rate', line('rate', 'learning_rate'), { least: 0 }],
      ['Speed', line('images a second', 'images_per_second'), { least: 0 }],
    ];
    const open = [...charts.querySelectorAll('details')].map((one) => one.open);
    fill(charts, drawn.filter(([, lines]) => lines.length).map(([title, lines, wishes]) => chart(title, at, lines, wishes)));
    charts.querySelectorAll('details').forEach((one, number) => {
      one.open = open[number] ?? false;
    });
    fill(settings, h('div', { class: 'clr-card' }, h('h2', {}, 'Settings'), h('table', { class: 'clr-facts-table' }, h('tbody', {}, run.settings.map((/** @type {[string, string]} */ [name, value]) => h('tr', {}, h('th', { scope: 'row' }, name.replaceAll('_', ' ')), h('td', {}, value)))))));
    fill(seen, run.sheets.views && h(
      'div',
      { class: 'clr-card' },
      h('h2', {}, 'What the network sees'),
      h('p', { class: 'clr-hint' }, 'Each picture at the left, and views of it. The network learns that views of one picture belong together.'),
      h('img', { class: 'clr-views', src: sheet('views'), alt: 'A line for each of a few pictures: the picture, and views of it, cropped and with other colours' }),
    ));
    await neighbours();
  }

  /** @param {string} name */
  function sheet(name) {
    return route(`run/${name}?v=${run.sheets[name]}`);
  }

  async function neighbours() {
    const { noted } = run;
    if (!noted.length || !run.sheets.sample) {
      fill(learning);
      return;
    }
    const late = noted[noted.length - 1];
    if (!noted.includes(early)) early = noted[0];
    const held = learning.querySelector('input') === document.activeElement;
    const last = turn();
    const told = await app.ask('neighbours', { early, late });
    if (!last()) return;
    const slider = h('input', { type: 'range', min: 0, max: noted.length - 1, value: noted.indexOf(early), class: 'clr-slider', 'aria-label': 'Earlier epoch', 'aria-valuetext': `epoch ${early}` });
    slider.addEventListener('change', () => {
      early = noted[Number(slider.value)];
      neighbours().catch(app.fail);
    });
    fill(learning, h(
      'div',
      { class: 'clr-card' },
      h('h2', {}, 'What is alike to the network'),
      h('p', { class: 'clr-hint' }, `The nearest of ${counted(told.images)} for each picture at the left, by the network of an earlier epoch and by that of the last one.`),
      h('label', { class: 'clr-field clr-epoch' }, h('span', {}, 'Earlier epoch'), slider),
      h('div', { class: 'clr-neighbours' }, [early, late].map((epoch) => h(
        'div',
        {},
        h('h3', {}, epoch === 0 ? 'Before training' : `After epoch ${epoch}`),
        (told.noted[epoch] ?? []).map((/** @type {number[]} */ others, /** @type {number} */ query) => h('div', { class: 'clr-neighbour-line' }, tile(query, told.images, 'Picture'), others.map((other) => tile(other, told.images, 'Neighbour')))),
      ))),
    ));
    if (held) slider.focus();
  }

  /**
   * @param {number} number
   * @param {number} count
   * @param {string} what
   */
  function tile(number, count, what) {
    const across = run.columns;
    const down = Math.ceil(count / across);
    const x = (100 * (number % across)) / Math.max(1, across - 1);
    const y = (100 * Math.floor(number / across)) / Math.max(1, down - 1);
    return h('span', {
      class: 'clr-sample',
      role: 'img',
      'aria-label': `${what} ${number}`,
      style: `background-image:url("${sheet('sample')}");background-size:${100 * across}% ${100 * down}%;background-position:${x}% ${y}%`,
    });
  }

  return { element, show: look };
}

/** @param {any} run */
function standing(run) {
  if (!run.epochs) return `${run.name}: no epoch is finished yet. This page follows by itself.`;
  const last = run.at[run.at.length - 1];
  const of = run.planned ? ` of ${run.planned.toLocaleString('en')}` : '';
  const done = `${run.name}: ${last.toLocaleString('en')}${of} ${run.planned === 1 ? 'epoch' : 'epochs'} finished`;
  if (run.finished) return `${done}. The training has ended.`;
  return `${done}, the last ${since(run.age)} ago. This page follows by itself.`;
}

/** @param {number | null} seconds */
function since(seconds) {
  if (seconds === null) return 'a while';
  if (seconds < 90) return counted(Math.round(seconds), 'second');
  if (seconds < 5400) return counted(Math.round(seconds / 60), 'minute');
  if (seconds < 172800) return counted(Math.round(seconds / 3600), 'hour');
  return counted(Math.round(seconds / 86400), 'day');
}
