/**
 * The views of the Label tab, and what is said in them.
 */

import { counted } from './dom.js';

/** Views by the name that stands in the address, with their titles. */
export const VIEWS = [
  ['', 'Next to label'],
  ['none', 'Without a label'],
  ['doubt', 'Least certain'],
  ['wrong', 'Likely mislabelled'],
  ['matrix', 'Confusions'],
  ['all', 'Whole collection'],
  ['one', 'What is this?'],
];

/**
 * What is said where a view has no picture.
 *
 * @type {Record<string, string>}
 */
export const NOTHING_THERE = {
  none: 'Every picture has a label.',
  class: 'No picture has this label yet.',
  doubt: 'Label pictures of two classes first.',
  wrong: 'No label looks wrong.',
  cell: 'There are none any more: the labels have changed.',
  guess: 'No picture without a label is taken for this class.',
  novel: 'No picture is unlike all classes.',
};

/**
 * Say what the pictures of a view are.
 *
 * @param {import('./types.js').State} state
 * @param {number} total how many there are
 * @param {import('./labels.js').Lesson} lesson
 * @returns {string}
 */
export function said({ show, of, as }, total, lesson) {
  const n = counted(total);
  /** @type {Record<string, string>} */
  const texts = {
    '': `${lesson.labelled.toLocaleString('en')} of ${counted(lesson.total)} labelled. These teach it most:`,
    none: `${n} without a label`,
    class: `${n} labelled ${of}`,
    doubt: `${n}, the least certain first`,
    wrong: `${n}: another class is more likely than the label, the likeliest first`,
    cell: of === as ? `${n} of ${of}, known as such` : `${n} of ${of}, taken for ${as}`,
    guess: `${n} without a label, taken for ${of}, the surest first`,
    novel: `${n} without a label, of none of the classes`,
  };
  return texts[show] ?? '';
}
