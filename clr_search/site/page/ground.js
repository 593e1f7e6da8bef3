// The ground that a picture with transparency is laid over: that on which least of it vanishes.
// `clr_search.images.colour.ground` is the same in Python; the two choose alike.

/** Grounds, and the share of what is drawn that may vanish on white before each of them is taken. */
const GROUNDS = [
  { colour: [255, 255, 255], share: 0 },
  { colour: [0, 0, 0], share: 0.01 },
  { colour: [128, 128, 128], share: 0.02 },
  { colour: [0, 160, 160], share: 0.1 },
  { colour: [200, 80, 200], share: 0.1 },
];
const SEEN = 48; // steps of 255, in the channel that differs most, from which a difference is seen
const MOST = 2 ** 16; // pixels of a band that are looked at
const BAND = 2 ** 21; // pixels of a band

/**
 * The CSS colour of the ground of a picture; white for one that is opaque, or wholly transparent,
 * whose hidden colours a canvas does not tell.
 *
 * @param {number} width
 * @param {number} height
 * @param {(top: number, rows: number) => Uint8ClampedArray} read  rows of the picture, as RGBA
 */
export function groundOf(width, height, read) {
  const vanished = GROUNDS.map(() => 0);
  let total = 0;
  const rows = Math.max(Math.floor(BAND / width), 1);
  for (let top = 0; top < height; top += rows) {
    const bottom = Math.min(top + rows, height);
    // A row more at either end, so that no edge lies between two bands.
    const first = Math.max(top - 1, 0), last = Math.min(bottom + 1, height);
    const rgba = read(first, last - first);
    if (isOpaque(rgba)) continue;
    const edges = edgesOf(rgba, width, last - first, top - first, bottom - first);
    const step = Math.max(Math.floor(edges.length / MOST), 1);
    for (let i = 0; i < edges.length; i += step) {
      const at = edges[i], opacity = rgba[at + 3] / 255;
      total += opacity;
      for (const [number, { colour }] of GROUNDS.entries()) {
        const far = Math.max(...colour.map((value, channel) => Math.abs(rgba[at + channel] - value)));
        vanished[number] += opacity * Math.max(1 - (far * opacity) / SEEN, 0);
      }
    }
  }
  if (total === 0) return "rgb(255 255 255)";
  const shares = vanished.map((sum, number) => sum / total + GROUNDS[number].share);
  return `rgb(${GROUNDS[shares.indexOf(Math.min(...shares))].colour.join(" ")})`;
}

function isOpaque(rgba) {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at] < 255) return false;
  return true;
}

/** Places in `rgba` where a drawing meets the ground: pixels with one beside that is not opaque. */
function edgesOf(rgba, width, height, from, to) {
  const edges = [];
  for (let y = from; y < to; y++)
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      if (rgba[at + 3] && hasGroundBeside(rgba, width, height, x, y)) edges.push(at);
    }
  return edges;
}

function hasGroundBeside(rgba, width, height, x, y) {
  for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++)
    for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++)
      if (rgba[4 * (v * width + u) + 3] < 255) return true;
  return false;
}
