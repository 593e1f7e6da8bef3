import assert from 'node:assert/strict';
import { test } from 'node:test';

import { addressOf, NOTHING, read, stateOf, written } from '../../../clr_search/app/static/address.js';

test('a state that says nothing has an empty address', () => {
  assert.equal(addressOf(NOTHING), '');
  assert.deepEqual(stateOf(''), NOTHING);
});

test('every state comes back from its address', () => {
  const token = 'a'.repeat(24);
  const states = [
    { terms: [{ id: 7, weight: 1 }] },
    { terms: [{ id: 7, weight: 2 }, { upload: token, weight: 1, crop: [0.1, 0.25, 0.5, 0.5] }, { id: 9, weight: -0.5 }] },
    { tab: 'map', label: 'coat & hat', under: 'a/b c', where: "width > 200 AND x = '#?&='", sort: 'name' },
    { least: 99.9, diverse: 0.3, after: '2024-01-01', before: '2024-02-01', view: 12 },
  ];
  for (const changes of states) {
    const state = { ...NOTHING, ...changes };
    assert.deepEqual(stateOf(addressOf(state)), state);
  }
});

test('what is no part of a query is left out', () => {
  for (const text of ['', 'x', '-1', '1*x', '1*99', '1@1,2', 'ushort', '1@a,b,c,d', '<b>', '1.5']) {
    assert.equal(read(text, 1), null, text);
  }
  assert.deepEqual(stateOf('?like=x&view=-3&least=abc&tab=').terms, []);
});

test('a weight of one and the whole picture are not written', () => {
  assert.equal(written({ id: 3, weight: -1 }), '3');
  assert.equal(written({ id: 3, weight: 0.5, crop: [0, 0, 0.123456, 1] }), '3*0.5@0,0,0.1235,1');
});
