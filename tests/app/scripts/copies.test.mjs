import assert from 'node:assert/strict';
import { test } from 'node:test';

import { differing, sharpness } from '../../../clr_search/app/static/differences.js';
import { Marks } from '../../../clr_search/app/static/marks.js';

const copy = (id, changes = {}) => ({ id, name: `${id}.jpg`, w: 400, h: 300, bytes: 1000, changed: '', folder: 'a', turn: '', why: '', ...changes });
const group = (go = [2, 3]) => ({ place: 0, count: 3, go, copies: [copy(1), copy(2), copy(3)] });

test('only what differs is told of each picture, the best marked', () => {
  const facts = new Map([
    [1, { id: 1, kind: 'PNG', lossless: true, coloured: true, exif: 'no EXIF', taken: '', camera: '', detail: 1 }],
    [2, { id: 2, kind: 'JPEG', lossless: false, coloured: true, exif: 'EXIF', taken: '', camera: '', detail: 0.5 }],
  ]);
  const { lines, same } = differing([copy(1), copy(2, { turn: 'mirrored' })], facts);
  const told = lines.map((each) => each.map(({ text, best }) => (best ? `*${text}` : text)));
  assert.deepEqual(told, [['*PNG, lossless', 'no EXIF', '*sharper'], ['JPEG', '*EXIF', 'softer', 'mirrored']]);
  assert.deepEqual(same, ['400 × 300', '1.00 kB', 'colour', 'no date taken', 'a']);
});

test('before facts have come, what is known is told', () => {
  const { lines } = differing([copy(1, { w: 800 }), copy(2)], new Map());
  assert.deepEqual(lines.map((each) => each.map(({ text, best }) => [text, best])), [[['800 × 300', true]], [['400 × 300', false]]]);
});

test('a file that cannot be read says so', () => {
  const { lines } = differing([copy(1), copy(2)], new Map([[2, { id: 2, unread: 'the file is gone' }]]));
  assert.deepEqual(lines[1].map(({ text }) => text), ['the file is gone']);
});

test('copies that are nearly as sharp are not told apart', () => {
  assert.deepEqual(sharpness([{ id: 1, detail: 1 }, { id: 2, detail: 0.8 }]), ['', '']);
  assert.deepEqual(sharpness([{ id: 1, detail: 1 }, undefined, { id: 3, detail: 0.2 }]), ['sharper', '', 'softer']);
  assert.deepEqual(sharpness([]), []);
});

test('one picture of a group always stays', () => {
  const marks = new Marks();
  assert.equal(marks.toggle(group(), 1), false);
  assert.deepEqual([...marks.of(group())], [2, 3]);
  assert.equal(marks.toggle(group(), 2), true);
  assert.deepEqual([...marks.of(group())], [3]);
});

test('another picture is kept by one click, and the proposal comes back', () => {
  const marks = new Marks();
  marks.keepOnly(group(), 3);
  assert.deepEqual([...marks.of(group())].sort(), [1, 2]);
  assert.deepEqual(marks.asJson(), [{ place: 0, go: [2, 1] }]);
  marks.reset(group());
  assert.deepEqual([...marks.of(group())], [2, 3]);
  assert.deepEqual(marks.asJson(), []);
});
