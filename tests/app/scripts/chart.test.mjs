import assert from 'node:assert/strict';
import { test } from 'node:test';

import { path, percent, shortly, ticks } from '../../../clr_search/app/static/chart.js';

test('ticks are round and within', () => {
  for (const [least, most] of [[0, 1], [1.39, 5.02], [0, 96.3], [-0.2, 1], [1, 2], [1e-9, 3e-7]]) {
    const found = ticks(least, most);
    assert.ok(found.length >= 2 && found.length <= 7, `${least} ${most}: ${found}`);
    assert.ok(found.every((tick) => tick >= least - 1e-12 && tick <= most * 1.0001 + 1e-12));
  }
  assert.deepEqual(ticks(3, 3), [3]);
});

test('a line goes on over what was not measured', () => {
  assert.equal(path([1, null, 3], (at) => at, (value) => value), 'M0.0 1.0L2.0 3.0');
  assert.equal(path([null, null], (at) => at, (value) => value), '');
});

test('numbers are short', () => {
  assert.deepEqual([shortly(0), shortly(1.38711), shortly(8e-12), shortly(2.5e7), percent(0.9703)], ['0', '1.387', '8.0e-12', '2.5e+7', '97 %']);
});
