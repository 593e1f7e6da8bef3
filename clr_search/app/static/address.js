/**
 * The address of the page is what it shows: it can be shared, kept, and gone back to.
 */

/** @type {import('./types.js').State} */
export const NOTHING = {
  tab: 'search',
  terms: [],
  label: '',
  under: '',
  where: '',
  after: '',
  before: '',
  least: 0,
  diverse: 0,
  sort: 'likeness',
  show: '',
  of: '',
  as: '',
  colour: '',
  off: '',
  at: '',
  area: '',
  open: '',
  groups: 0,
  kind: '',
  order: '',
  pair: '',
  view: null,
};

const TEXTS = /** @type {const} */ ([
  'label', 'under', 'where', 'after', 'before', 'sort', 'show', 'of', 'as', 'colour', 'off', 'at', 'area', 'open',
  'kind', 'order', 'pair',
]);
const NUMBERS = /** @type {const} */ (['least', 'diverse', 'groups']);

/**
 * Write a picture of a query: `12`, `12*0.5` with a weight, `12@.1,.2,.5,.5` with a part.
 *
 * @param {import('./types.js').Term} term
 */
export function written(term) {
  const name = term.upload ? `u${term.upload}` : String(term.id);
  const weight = Math.abs(term.weight) === 1 ? '' : `*${Math.abs(term.weight)}`;
  const part = term.crop ? `@${term.crop.map((value) => Number(value.toFixed(4))).join(',')}` : '';
  return name + weight + part;
}

/**
 * Read a picture of a query; null for anything else.
 *
 * @param {string} text
 * @param {number} sign
 * @returns {import('./types.js').Term | null}
 */
export function read(text, sign) {
  const found = /^(?:u([A-Za-z0-9_-]{16,64})|(\d{1,16}))(?:\*([\d.]{1,8}))?(?:@([\d.,]{7,80}))?$/.exec(text);
  if (!found) return null;
  const [, upload, id, weight, part] = found;
  const crop = part?.split(',').map(Number);
  if (crop && (crop.length !== 4 || crop.some((value) => !Number.isFinite(value)))) return null;
  const size = weight === undefined ? 1 : Number(weight);
  if (!Number.isFinite(size) || size > 5) return null;
  return {
    ...(upload ? { upload } : { id: Number(id) }),
    weight: sign * size,
    ...(crop ? { crop } : {}),
  };
}

/**
 * Read the state out of an address.
 *
 * @param {string} search the part of an address after `?`
 * @returns {import('./types.js').State}
 */
export function stateOf(search) {
  const given = new URLSearchParams(search);
  /** @type {import('./types.js').State} */
  const state = { ...NOTHING, terms: [] };
  state.tab = given.get('tab') ?? NOTHING.tab;
  for (const name of TEXTS) state[name] = given.get(name) ?? NOTHING[name];
  for (const name of NUMBERS) {
    const value = Number(given.get(name) ?? 0);
    state[name] = Number.isFinite(value) ? value : 0;
  }
  for (const [name, sign] of /** @type {[string, number][]} */ ([['like', 1], ['unlike', -1]])) {
    for (const text of given.getAll(name)) {
      const term = read(text, sign);
      if (term) state.terms.push(term);
    }
  }
  const view = given.get('view');
  state.view = view !== null && /^\d{1,16}$/.test(view) ? Number(view) : null;
  return state;
}

/**
 * Write a state as the part of an address after `?`; what nothing is said of is left out.
 *
 * @param {import('./types.js').State} state
 */
export function addressOf(state) {
  const said = new URLSearchParams();
  if (state.tab !== NOTHING.tab) said.set('tab', state.tab);
  for (const term of state.terms) said.append(term.weight < 0 ? 'unlike' : 'like', written(term));
  for (const name of TEXTS) if (state[name] !== NOTHING[name]) said.set(name, state[name]);
  for (const name of NUMBERS) if (state[name]) said.set(name, String(state[name]));
  if (state.view !== null) said.set('view', String(state.view));
  const text = said.toString().replaceAll('%2C', ',').replaceAll('%40', '@').replaceAll('%2A', '*');
  return text ? `?${text}` : '';
}

/**
 * Return what the server is asked for a state.
 *
 * @param {import('./types.js').State} state
 */
export function searchOf(state) {
  const { terms, label, under, where, after, before, least, diverse, sort } = state;
  return { terms, label, under, where, after, before, least, diverse, sort };
}
