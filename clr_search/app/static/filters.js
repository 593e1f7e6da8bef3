/**
 * What the pictures must be: label, folder, date, columns, likeness; and their order.
 */

import { NOTHING } from './address.js';
import { button, fill, h, icon } from './dom.js';

const LIKENESS = [
  [0, 'any likeness'],
  [90, 'alike: top 10 % of pairs'],
  [99, 'alike: top 1 %'],
  [99.9, 'alike: top 0.1 %'],
  [99.99, 'alike: top 0.01 %'],
];
const SORTS = [
  ['likeness', 'by likeness'],
  ['newest', 'newest first'],
  ['oldest', 'oldest first'],
  ['name', 'by name'],
];
const DIVERSE = [
  [0, 'nearest'],
  [0.3, 'some variety'],
  [0.6, 'much variety'],
];

/** @param {import('./types.js').App} app */
export function filters(app) {
  const labels = h('datalist', { id: 'clr-labels' });
  const folders = h('datalist', { id: 'clr-folders' });
  const label = typed('Label', 'label', { list: 'clr-labels', placeholder: 'any label' });
  const under = typed('Folder', 'under', { list: 'clr-folders', placeholder: 'any folder' });
  const where = typed('Condition', 'where', { placeholder: "width > 2000 AND taken >= '2024'" });
  const after = typed('From', 'after', { type: 'date' });
  const before = typed('Until before', 'before', { type: 'date' });
  const least = chosen('Likeness', 'least', LIKENESS, Number);
  const sort = chosen('Order', 'sort', SORTS, String);
  const diverse = chosen('Variety', 'diverse', DIVERSE, Number);
  const clear = button('Clear', () => app.go({ ...NOTHING, terms: app.state().terms }), { hidden: true });
  const more = h('details', { class: 'clr-more' }, h('summary', {}, 'More'), h('div', { class: 'clr-more-box' }, where.element, after.element, before.element, diverse.element));
  const all = [label, under, least, sort, where, after, before, diverse];
  const box = h('div', { class: 'clr-filters', id: 'clr-filters' }, label.element, under.element, least.element, sort.element, more, clear);
  const door = button([icon('filter'), 'Filters'], () => {
    const open = box.classList.toggle('clr-open');
    door.setAttribute('aria-expanded', String(open));
  }, { class: 'clr-narrow-only', 'aria-expanded': 'false', 'aria-controls': 'clr-filters' });
  const element = h('div', { class: 'clr-filters-box' }, door, box, labels, folders);

  const offer = () => {
    fill(labels, app.offers.labels.map((/** @type {string} */ value) => h('option', { value })));
    fill(folders, app.offers.folders.map((/** @type {string} */ value) => h('option', { value })));
    label.element.hidden = !app.offers.labels.length;
    under.element.hidden = !app.offers.folders.length;
    where.input.title = `Columns: ${app.offers.columns.map((/** @type {{name: string}} */ one) => one.name).join(', ')}`;
  };
  document.addEventListener('clr-offers', offer);
  offer();

  /**
   * @param {string} title
   * @param {'label' | 'under' | 'where' | 'after' | 'before'} name
   * @param {Record<string, any>} traits
   */
  function typed(title, name, traits) {
    const input = h('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', ...traits });
    const give = () => {
      if (input.value.trim() !== app.state()[name]) app.go({ [name]: input.value.trim() });
    };
    input.addEventListener('change', give);
    input.addEventListener('input', () => {
      // A choice from the list is taken at once, a word while it is typed is not.
      const list = traits.list === 'clr-labels' ? app.offers.labels : traits.list ? app.offers.folders : [];
      if (input.value === '' || list.includes(input.value)) give();
    });
    const element_ = h('label', { class: 'clr-field' }, h('span', {}, title), input);
    return {
      element: element_,
      input,
      name,
      /** @param {import('./types.js').State} state */
      show(state) {
        if (document.activeElement !== input || input.value === '') input.value = state[name];
      },
    };
  }

  /**
   * @param {string} title
   * @param {'least' | 'sort' | 'diverse'} name
   * @param {(string | number)[][]} choices
   * @param {(value: any) => any} kind
   */
  function chosen(title, name, choices, kind) {
    const input = h('select', {}, choices.map(([value, text]) => h('option', { value }, text)));
    input.addEventListener('change', () => app.go({ [name]: kind(input.value) }));
    return {
      element: h('label', { class: 'clr-field' }, h('span', {}, title), input),
      input,
      name,
      /** @param {import('./types.js').State} state */
      show(state) {
        const value = String(state[name]);
        if (![...input.options].some((option) => option.value === value)) {
          input.append(h('option', { value }, name === 'least' ? `alike: top ${+(100 - Number(value)).toPrecision(2)} %` : value));
        }
        input.value = value;
      },
    };
  }

  return {
    element,
    /** @param {import('./types.js').State} state */
    show(state) {
      for (const one of all) one.show(state);
      const said = all.filter((one) => state[one.name] !== NOTHING[one.name]);
      clear.hidden = !said.length;
      if (said.some((one) => ['where', 'after', 'before', 'diverse'].includes(one.name))) more.open = true;
      fill(door, icon('filter'), said.length ? `Filters (${said.length})` : 'Filters');
      sort.input.options[0].textContent = state.terms.length ? 'by likeness' : 'by folder';
      least.element.hidden = diverse.element.hidden = !state.terms.length;
    },
  };
}
