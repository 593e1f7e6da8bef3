import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Camera } from '../../../clr_search/app/static/map_camera.js';
import { Cells, isInside, readArea, writtenArea } from '../../../clr_search/app/static/map_cells.js';
import { colourOf, OTHER, paletteOf, rampOf } from '../../../clr_search/app/static/map_colours.js';
import { readOff } from '../../../clr_search/app/static/map_legend.js';

/** Points that are always the same, spread over the map. */
function spread(count) {
  let seed = 7;
  const places = new Uint16Array(2 * count);
  for (let at = 0; at < places.length; at += 1) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    places[at] = (seed >> 8) % 65536;
  }
  return places;
}

const brute = (cells, count, met) => Array.from({ length: count }, (_, at) => at).filter((at) => met(...cells.place(at)));

test('points in a box are all of them and no others', () => {
  const cells = new Cells(spread(2000));
  for (const box of [[0.2, 0.3, 0.5, 0.9], [-1, -1, 2, 2], [0.5, 0.5, 0.5001, 0.5001], [1.1, 0, 2, 1], [0, -2, 1, -1]]) {
    const [left, top, right, bottom] = box;
    const expected = brute(cells, 2000, (x, y) => x >= left && x <= right && y >= top && y <= bottom);
    assert.deepEqual(cells.within(box), expected);
    assert.ok(cells.count(box) >= expected.length);
  }
  assert.equal(cells.count([0, 0, 1, 1]), 2000);
});

test('the nearest point is the nearest of those that count', () => {
  const cells = new Cells(spread(2000));
  for (const [x, y] of [[0.5, 0.5], [0, 0], [0.99, 0.2]]) {
    const away = (at) => Math.hypot(cells.place(at)[0] - x, cells.place(at)[1] - y);
    const even = brute(cells, 2000, () => true).filter((at) => at % 2 === 0);
    const expected = even.reduce((best, at) => (away(at) < away(best) ? at : best));
    assert.equal(cells.nearest(x, y, 0.2, (at) => at % 2 === 0), expected);
  }
  assert.equal(cells.nearest(3, 3, 0.2, () => true), -1);
  assert.equal(new Cells(new Uint16Array(0)).nearest(0.5, 0.5, 1, () => true), -1);
});

test('points in an area are those that its edge goes around', () => {
  const cells = new Cells(spread(2000));
  const bent = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.5, 0.3], [0.1, 0.9]];
  assert.deepEqual(cells.inside(bent), brute(cells, 2000, (x, y) => isInside([x, y], bent)));
  assert.ok(isInside([0.2, 0.3], bent));
  assert.ok(!isInside([0.5, 0.6], bent));
});

test('an area comes back from the address, with a bounded number of corners', () => {
  const corners = [[0.1, 0.25], [0.5, -0.01], [1.05, 0.75]];
  assert.equal(writtenArea(corners), '1000_2500.5000_-100.10500_7500');
  assert.deepEqual(readArea(writtenArea(corners)), corners);
  const many = Array.from({ length: 500 }, (_, at) => [Math.cos(at / 80), Math.sin(at / 80)]);
  assert.equal(readArea(writtenArea(many)).length, 48);
  for (const text of ['', '1_2', '1_2.3_4', 'a_b.c_d.e_f', '1_2.3_4.5', '<b>', '1_2'.repeat(99)]) {
    assert.deepEqual(readArea(text), [], text);
  }
});

test('what is seen comes back to its place, and what is under the pointer stays there', () => {
  const camera = new Camera();
  Object.assign(camera, { width: 800, height: 600 });
  camera.nearer(7, 200, 150);
  camera.move(33, -12);
  const [left, top] = camera.seen(...camera.place(123, 456));
  assert.ok(Math.abs(left - 123) < 1e-6 && Math.abs(top - 456) < 1e-6);
  const before = camera.place(500, 300);
  camera.nearer(1.7, 500, 300);
  const after = camera.place(500, 300);
  assert.ok(Math.hypot(before[0] - after[0], before[1] - after[1]) < 1e-9);
});

test('the camera stays on the map, and is written and read', () => {
  const camera = new Camera();
  Object.assign(camera, { width: 800, height: 600 });
  assert.equal(camera.written, '');
  camera.move(1e9, -1e9);
  camera.nearer(1e9);
  assert.deepEqual([camera.x, camera.y, camera.zoom], [-0.1, 1.1, 200]);
  const other = new Camera();
  other.read(camera.written);
  assert.deepEqual([other.x, other.y, other.zoom], [-0.1, 1.1, 200]);
  for (const text of ['', 'x', '1,2', '1,2,y', 'Infinity,0,0']) {
    other.read(text);
    assert.equal(other.written, '', text);
  }
});

test('classes have colours of their own, and those that are off have none', () => {
  const colours = Array.from({ length: 20 }, (_, code) => colourOf(code).join());
  assert.equal(new Set(colours).size, 20);
  for (let code = 0; code < 256; code += 1) {
    assert.ok(colourOf(code).every((value) => Number.isInteger(value) && value >= 0 && value <= 255));
  }
  const palette = paletteOf(colourOf, new Set([3, OTHER]));
  assert.deepEqual([palette[4 * 3 + 3], palette[4 * OTHER + 3]], [0, 0]);
  assert.ok(palette[4 * 4 + 3] > 0);
  assert.notDeepEqual(rampOf(0), rampOf(1));
  assert.ok([-1, 0, 0.5, 1, 2].every((share) => rampOf(share).every(Number.isInteger)));
});

test('classes that are off are read from the address', () => {
  assert.deepEqual([...readOff('3.12.255')], [3, 12, 255]);
  assert.deepEqual([...readOff('')], []);
  assert.deepEqual([...readOff('x.-1.999.<b>')], []);
});
