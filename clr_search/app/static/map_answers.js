/**
 * Answers of the map's routes: a header, and arrays (`routes/map.py`).
 */

import { Problem, route } from './server.js';

/**
 * @param {string} path
 * @returns {Promise<{header: any, data: ArrayBuffer, begin: number}>}
 */
async function answer(path) {
  const response = await fetch(route(`map/${path}`)).catch(() => {
    throw new Problem('The app does not answer.', 'It may have been stopped.');
  });
  if (!response.ok) {
    const said = await response.json().catch(() => null);
    throw new Problem(said?.detail ?? `The app answered ${response.status}.`, said?.remedy ?? '');
  }
  const data = await response.arrayBuffer();
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return { header, data, begin: 4 + length };
}

/** Return the ids and places of all pictures. */
export async function places() {
  const { header, data, begin } = await answer('places');
  const { count } = header;
  const ids = header.ids === 'uint32' ? new Uint32Array(data, begin, count) : new Float64Array(data, begin, count);
  const next = begin + Math.ceil(ids.byteLength / 8) * 8;
  return { token: header.token, ids, places: new Uint16Array(data, next, 2 * count) };
}

/**
 * Return a code for each picture, and what the codes mean.
 *
 * @param {string} path `label`, `folder`, `group?groups=12` or `score?search=…`
 * @returns {Promise<{header: any, codes: Uint8Array}>}
 */
export async function codes(path) {
  const { header, data, begin } = await answer(path);
  return { header, codes: new Uint8Array(data, begin, header.count) };
}
