/**
 * The page: its head, its tabs, and what they share. Gradio loads it (`page.py`).
 */

import { addressOf, stateOf } from './address.js';
import { button, counted, fill, h, icon, isTyping } from './dom.js';
import { Lightbox } from './lightbox.js';
import { Selection } from './selection.js';
import { asking, asProblem } from './server.js';
import { chosenBar } from './chosen.js';

/**
 * Tabs by name: their title, the question that they need, and the module that draws them.
 *
 * @type {Record<string, {title: string, needs: string, load: () => Promise<{panel: (app: import('./types.js').App) => import('./types.js').Panel}>}>}
 */
const TABS = {
  search: { title: 'Search', needs: 'find', load: () => import('./search.js') },
  label: { title: 'Label', needs: 'lesson', load: () => import('./label.js') },
  copies: { title: 'Copies', needs: 'copies', load: () => import('./copies.js') },
  groups: { title: 'Groups', needs: 'groups', load: () => import('./groups.js') },
  map: { title: 'Map', needs: 'chart', load: () => import('./map.js') },
  training: { title: 'Training', needs: 'training', load: () => import('./training.js') },
  about: { title: 'About', needs: 'about', load: () => import('./about.js') },
};

const KEYS = [
  ['/', 'Bring a picture to search with'],
  ['Arrow keys, Page, Home, End', 'Move through the pictures'],
  ['Enter', 'Search from the picture'],
  ['Space', 'Look at the picture'],
  ['+ and −', 'Search for more, or less, like the picture'],
  ['x', 'Choose the picture; with Shift and a click, all up to it'],
  ['u', 'Undo the last change of the query'],
  ['1 to 9, 0', 'In Label: give the picture the class with this key, or none'],
  ['n and z', 'In Label: the next pictures, and undo'],
  ['Arrow keys, + −, 0, Enter on the map', 'Move it, nearer and farther, all of it, list what is seen'],
  ['k and g', 'Among copies: keep only the picture; mark it to go, or to be kept'],
  ['Esc', 'Close what is open'],
  ['?', 'Show these keys'],
];

/**
 * Draw the page.
 *
 * @param {HTMLElement} element
 * @param {Record<string, (args: object) => Promise<any>>} server
 * @param {string[]} asked names of the questions that the server answers
 */
export async function start(element, server, asked) {
  const ask = asking(server);
  const offered = Object.keys(TABS).filter((name) => asked.includes(TABS[name].needs));
  const live = h('p', { class: 'clr-spoken', role: 'status', 'aria-live': 'polite' });
  const problem = h('div', { class: 'clr-problem', role: 'alert', hidden: true });
  const selection = new Selection();
  let state = stateOf(location.search);
  /** @type {Record<string, Promise<import('./types.js').Panel>>} */
  const shown = {};

  /** @type {import('./types.js').App} */
  const app = {
    ask,
    selection,
    offers: { labels: [], folders: [], columns: [], may: {}, all: 0 },
    state: () => state,
    say: (text) => {
      live.textContent = '';
      requestAnimationFrame(() => {
        live.textContent = text;
      });
    },
    fail: (error) => {
      const { what, remedy } = asProblem(error);
      fill(
        problem,
        h('span', {}, h('b', {}, what), remedy ? ` ${remedy}` : ''),
        button(icon('close'), () => app.settle(), { class: 'clr-bare', 'aria-label': 'Close' }),
      );
      problem.hidden = false;
    },
    settle: () => {
      problem.hidden = true;
    },
    go: (changes, how = {}) => {
      state = { ...state, ...changes };
      const url = location.pathname + addressOf(state) + location.hash;
      if (how.replace) history.replaceState(history.state, '', url);
      else history.pushState({ depth: (history.state?.depth ?? 0) + 1 }, '', url);
      draw();
    },
    look: (rows, at) => lightbox.open(rows, at),
    refine: (row, weight) => {
      const size = weight < 0 ? -0.5 : weight; // What a picture should not be weighs less.
      const term = { ...(row.upload ? { upload: row.upload } : { id: row.id }), weight: size };
      const others = state.terms.filter(
        (one) => !(one.id === row.id && one.upload === row.upload && !one.crop),
      );
      app.go({ tab: 'search', terms: [...others, term] });
    },
  };
  const lightbox = new Lightbox(app);

  const panels = h('div', { id: 'clr-main', tabindex: -1 }); // Gradio's page has its `main`.
  const tabs = h('div', { class: 'clr-tabs', role: 'tablist', 'aria-label': 'Views' });
  /** @type {Record<string, HTMLButtonElement>} */
  const doors = {};
  for (const name of offered) {
    doors[name] = button(TABS[name].title, () => app.go({ tab: name }), {
      class: 'clr-tab',
      role: 'tab',
      id: `clr-tab-${name}`,
    });
  }
  fill(tabs, ...Object.values(doors));
  tabs.addEventListener('keydown', (event) => {
    const names = Object.keys(doors);
    const at = names.findIndex((name) => doors[name] === document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (at < 0 || !step) return;
    event.preventDefault();
    const next = names[(at + step + names.length) % names.length];
    doors[next].focus();
    app.go({ tab: next });
  });

  const help = h(
    'dialog',
    { class: 'clr-dialog', 'aria-label': 'Keys' },
    h('h2', {}, 'Keys'),
    h('dl', { class: 'clr-keys' }, KEYS.flatMap(([key, does]) => [h('dt', {}, key), h('dd', {}, does)])),
    button('Close', () => help.close(), { autofocus: true }),
  );
  const name = document.title.replace(/ · clr-search$/, '');
  const size = h('p', { class: 'clr-size' }, ' ');
  const title = h('h1', {}, name);
  const head = h(
    'header',
    { class: 'clr-head' },
    h('div', { class: 'clr-title' }, title, size),
    h('nav', { 'aria-label': 'Views' }, tabs),
    h(
      'div',
      { class: 'clr-tools' },
      button(icon('sun'), toggleTheme, { class: 'clr-bare', 'aria-label': 'Light or dark', title: 'Light or dark' }),
      button(icon('help'), () => help.showModal(), { class: 'clr-bare', 'aria-label': 'Keys', title: 'Keys (?)' }),
    ),
  );
  const skip = h('a', { class: 'clr-skip', href: '#clr-main' }, 'To the pictures');
  skip.addEventListener('click', (event) => {
    event.preventDefault();
    panels.focus();
  });
  rememberTheme();
  fill(element, h('div', { class: 'clr-app' }, skip, head, problem, panels, live, help, chosenBar(app), lightbox.element));

  /** Return the name of the tab that the address asks for. */
  function wanted() {
    return offered.includes(state.tab) ? state.tab : offered[0];
  }

  /**
   * Load a tab and put it on the page, hidden.
   *
   * @param {string} tab
   */
  async function opened(tab) {
    const module = await TABS[tab].load();
    const panel = module.panel(app);
    panel.element.id = `clr-panel-${tab}`;
    panel.element.hidden = true;
    panel.element.setAttribute('role', 'tabpanel');
    panel.element.setAttribute('aria-labelledby', `clr-tab-${tab}`);
    panels.append(panel.element);
    doors[tab].setAttribute('aria-controls', panel.element.id);
    return panel;
  }

  /** Show what the address says. */
  function draw() {
    const tab = wanted();
    for (const [one, door] of Object.entries(doors)) {
      door.setAttribute('aria-selected', String(one === tab));
      door.tabIndex = one === tab ? 0 : -1;
    }
    shown[tab] ??= opened(tab).catch((error) => {
      delete shown[tab]; // The next click tries again.
      throw error;
    });
    shown[tab]
      .then((panel) => {
        if (wanted() !== tab) return; // The person has gone on while the tab was loaded.
        for (const other of panels.children) {
          if (other instanceof HTMLElement) other.hidden = other !== panel.element;
        }
        return panel.show(state);
      })
      .catch(app.fail);
    lightbox.follow(state.view);
  }

  window.addEventListener('popstate', () => {
    state = stateOf(location.search);
    app.settle();
    draw();
  });
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === '?') help.showModal();
    else if (event.key === '/') document.dispatchEvent(new CustomEvent('clr-bring'));
    else if (event.key === 'u' && history.state?.depth) history.back();
    else return;
    event.preventDefault();
  });

  draw();
  if (!asked.includes('offers')) return; // a page of a run alone
  try {
    app.offers = await ask('offers');
    size.textContent = counted(app.offers.all);
    document.dispatchEvent(new CustomEvent('clr-offers'));
  } catch (error) {
    app.fail(error);
  }
}

function toggleTheme() {
  const dark = document.body.classList.toggle('dark');
  try {
    localStorage.setItem('clr-theme', dark ? 'dark' : 'light');
  } catch {
    // A browser may forbid to remember; the choice then lasts as long as the page.
  }
}

function rememberTheme() {
  let theme = null;
  try {
    theme = localStorage.getItem('clr-theme');
  } catch {
    // as above
  }
  if (theme) document.body.classList.toggle('dark', theme === 'dark');
}
