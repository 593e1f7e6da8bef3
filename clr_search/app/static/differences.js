/**
 * What differs between the pictures of a group, so that a person sees at once which to keep.
 */

import { bytesText } from './dom.js';

/** A picture with less fine detail than this share of the sharpest one looks softer. */
const SOFT = 0.7;

/**
 * A line about a picture.
 *
 * @typedef {object} Line
 * @property {string} what what it is about, for screen readers
 * @property {string} text
 * @property {boolean} best whether it speaks for keeping this picture
 */

/**
 * @typedef {object} Trait
 * @property {string} what
 * @property {(copy: import('./types.js').Copy, facts: import('./types.js').Facts | undefined) => string} text
 * @property {(copy: import('./types.js').Copy, facts: import('./types.js').Facts | undefined) => number} [worth]
 */

/** @type {Trait[]} */
const TRAITS = [
  { what: 'Pixels', text: (copy) => (copy.w ? `${copy.w} × ${copy.h}` : ''), worth: (copy) => (copy.w ?? 0) * (copy.h ?? 0) },
  { what: 'Size', text: (copy) => bytesText(copy.bytes) },
  {
    what: 'Format',
    text: (_, facts) => (facts?.kind ? facts.kind + (facts.lossless ? ', lossless' : '') : ''),
    worth: (_, facts) => (facts?.lossless ? 1 : 0),
  },
  {
    what: 'Colours',
    text: (_, facts) => (facts?.coloured === undefined ? '' : facts.coloured ? 'colour' : 'grey'),
    worth: (_, facts) => (facts?.coloured ? 1 : 0),
  },
  {
    what: 'EXIF',
    text: (_, facts) => facts?.exif ?? '',
    worth: (_, facts) => ['no EXIF', 'EXIF', 'EXIF of a camera'].indexOf(facts?.exif ?? ''),
  },
  { what: 'Taken', text: (_, facts) => (facts?.kind === undefined ? '' : facts.taken ? `taken ${facts.taken}` : 'no date taken') },
  { what: 'Camera', text: (_, facts) => facts?.camera ?? '' },
  { what: 'File of', text: (copy) => (copy.changed ? `file of ${copy.changed}` : '') },
  { what: 'Folder', text: (copy) => copy.folder || '(the folder itself)' },
];

/**
 * Return what differs between pictures, as lines about each, and what is the same in all.
 *
 * @param {import('./types.js').Copy[]} copies
 * @param {Map<number, import('./types.js').Facts>} known facts by id, as far as they have come
 * @returns {{lines: Line[][], same: string[]}}
 */
export function differing(copies, known) {
  /** @type {Line[][]} */
  const lines = copies.map(() => []);
  const same = [];
  const facts = copies.map((copy) => known.get(copy.id));
  for (const { what, text, worth } of TRAITS) {
    const texts = copies.map((copy, at) => text(copy, facts[at]));
    if (new Set(texts).size === 1) {
      if (texts[0] && copies.length > 1) same.push(texts[0]);
      continue;
    }
    const worths = copies.map((copy, at) => worth?.(copy, facts[at]) ?? 0);
    const most = Math.max(...worths);
    texts.forEach((one, at) => {
      if (one) lines[at].push({ what, text: one, best: worths[at] === most && Math.min(...worths) < most });
    });
  }
  sharpness(facts).forEach((said, at) => {
    if (said) lines[at].push({ what: 'Sharpness', text: said, best: said === 'sharper' });
  });
  copies.forEach((copy, at) => {
    const unread = facts[at]?.unread;
    if (unread) lines[at].push({ what: 'File', text: unread, best: false });
    if (copy.turn) lines[at].push({ what: 'Turned', text: copy.turn, best: false });
  });
  return { lines, same };
}

/**
 * Say which pictures are sharper and which are softer; nothing where they are alike.
 *
 * @param {(import('./types.js').Facts | undefined)[]} facts
 * @returns {string[]}
 */
export function sharpness(facts) {
  const details = facts.map((one) => one?.detail);
  const known = /** @type {number[]} */ (details.filter((one) => one !== undefined));
  const most = Math.max(0, ...known);
  if (known.length < 2 || Math.min(...known) >= SOFT * most) return facts.map(() => '');
  return details.map((one) => (one === undefined ? '' : one >= SOFT * most ? 'sharper' : 'softer'));
}
