// From a picture file to the square of pixels that an encoder sees, as Python makes it.

import { groundOf } from "./ground.js";

const MOST_BYTES = 2 ** 29, MOST_PIXELS = 2e8; // as in Python
const STRIP = 2 ** 21; // pixels of a large picture in work at a time

/** A failure that can be shown to a person. */
export class SiteError extends Error {}

/**
 * What an encoder sees of a picture, as the indexing has it: size × size × 3 bytes.
 * @param {ImageBitmap | Blob} picture  of a large JPEG the Blob, so that it is reduced alike
 */
export async function seen(picture, size) {
  if (!(picture instanceof Blob)) return square(picture, size);
  const bitmap = await decode(picture);
  try {
    // A JPEG has no transparency, which need not be looked for then.
    if (await isJpeg(picture)) return square(bitmap, size, reduction(bitmap, size), "white");
    return square(bitmap, size);
  } finally {
    bitmap.close();
  }
}

/**
 * Decode a picture file as Python does: upright by its EXIF, with colours by its profile.
 * @param {Blob} blob
 * @returns {Promise<ImageBitmap>}
 */
async function decode(blob) {
  if (blob.size > MOST_BYTES) throw new SiteError("The file is too large: 512 MB are the limit.");
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new SiteError(reason(new Uint8Array(await blob.slice(0, 16).arrayBuffer())));
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS)
    throw new SiteError("The picture is too large: 200 million pixels are the limit.");
  return bitmap;
}

async function isJpeg(picture) {
  return [...new Uint8Array(await picture.slice(0, 3).arrayBuffer())].join() === "255,216,255";
}

/**
 * 8, 4, 2 or 1: by how much Python reduces a JPEG while decoding, four pixels being kept for one.
 *
 * A decoder counts its squares from the first pixel of the file, `square` from that of the upright
 * picture: turned, and of a size that is no multiple, the two differ by a part of a square.
 */
function reduction({ width, height }, size) {
  const scale = Math.floor(Math.min(width, height) / (4 * size));
  return [8, 4, 2].find((factor) => scale >= factor) ?? 1;
}

/** Why a file that begins like this could not be decoded. */
function reason(head) {
  const text = String.fromCharCode(...head);
  const kinds = { "\xff\xd8\xff": "JPEG", "\x89PNG": "PNG", GIF8: "GIF", BM: "BMP" };
  const other = { "II*\0": "TIFF", "MM\0*": "TIFF", "%PDF": "PDF", "8BPS": "Photoshop" };
  const named = (table) => table[Object.keys(table).find((magic) => text.startsWith(magic))];
  const kind = text.slice(8, 12) === "WEBP" ? "WebP" : named(kinds);
  if (kind) return `It is a ${kind} file that is damaged, or too large for this browser.`;
  const unread = text.slice(4, 8) === "ftyp" ? "HEIC, AVIF or video" : named(other);
  if (unread) return `This browser does not read this ${unread} file; save it as JPEG or PNG.`;
  return head.length ? "It is not a picture." : "The file is empty.";
}

/**
 * The central square of a picture, size × size × 3 bytes, as `clr_search.images.square` makes it:
 * bilinear with antialiasing, along the rows and then along the columns.
 *
 * @param {ImageBitmap} bitmap
 * @param {number} size
 * @param {number} reduce  first average squares of so many pixels, as Python has JPEGs decoded
 * @param {string} ground  what transparency is laid over
 */
function square(bitmap, size, reduce = 1, ground = groundUnder(bitmap)) {
  const width = Math.ceil(bitmap.width / reduce), height = Math.ceil(bitmap.height / reduce);
  const side = Math.min(width, height), left = (width - side) >> 1, top = (height - side) >> 1;
  const taps = weights(side, size), rows = new Uint8ClampedArray(side * size * 3);
  const from = left * reduce, wide = Math.min(side * reduce, bitmap.width - from);
  const deep = Math.max(1, Math.floor(STRIP / (wide * reduce))); // a strip at a time: phones are small
  for (let y = 0; y < side; y += deep) {
    const start = (top + y) * reduce;
    const tall = Math.min(deep * reduce, (side - y) * reduce, bitmap.height - start);
    const strip = averaged(drawn(bitmap, from, start, wide, tall, ground), wide, tall, reduce);
    rows.set(narrowed(strip, side, taps), y * size * 3);
  }
  const rgb = new Uint8ClampedArray(size * size * 3), line = 3 * size;
  for (let y = 0; y < size; y++)
    for (let x = 0; x < line; x++) {
      const { first, values } = taps[y];
      let sum = 0, at = first * line + x;
      for (let i = 0; i < values.length; i++, at += line) sum += values[i] * rows[at];
      rgb[y * line + x] = sum; // clamped arrays round
    }
  return new Uint8Array(rgb.buffer);
}

/** The ground of a picture, which is looked at whole, as in Python. */
function groundUnder(bitmap) {
  const { width, height } = bitmap;
  return groundOf(width, height, (top, rows) => drawn(bitmap, 0, top, width, rows, "transparent"));
}

/** A part of a picture over a ground, as RGBA bytes. */
export function drawn(bitmap, left, top, width, height, ground = "white") {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** Means of squares of `reduce` pixels, or of what there is of them at an edge: RGBA to RGB. */
function averaged(rgba, width, height, reduce) {
  const across = Math.ceil(width / reduce), down = Math.ceil(height / reduce);
  const sums = new Uint32Array(across * down * 3), rgb = new Uint8ClampedArray(sums.length);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at += 4) {
      const cell = 3 * (Math.floor(y / reduce) * across + Math.floor(x / reduce));
      for (let channel = 0; channel < 3; channel++) sums[cell + channel] += rgba[at + channel];
    }
  for (let y = 0, at = 0; y < down; y++)
    for (let x = 0; x < across; x++) {
      const pixels = Math.min(reduce, width - x * reduce) * Math.min(reduce, height - y * reduce);
      for (let channel = 0; channel < 3; channel++, at++) rgb[at] = sums[at] / pixels;
    }
  return rgb;
}

/** RGB rows of `side` pixels, made as long as there are `taps`. */
function narrowed(rgb, side, taps) {
  const height = rgb.length / (3 * side), narrow = new Uint8ClampedArray(height * taps.length * 3);
  for (let y = 0, to = 0; y < height; y++)
    for (const { first, values } of taps)
      for (let channel = 0; channel < 3; channel++, to++) {
        let sum = 0, at = 3 * (y * side + first) + channel;
        for (let i = 0; i < values.length; i++, at += 3) sum += values[i] * rgb[at];
        narrow[to] = sum;
      }
  return narrow;
}

/** For each place of the result: the first pixel that counts, and the weights from there on. */
function weights(side, size) {
  const scale = side / size, support = Math.max(scale, 1);
  return Array.from({ length: size }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - support + 0.5));
    const end = Math.min(side, Math.floor(centre + support + 0.5));
    const values = [];
    for (let x = first; x < end; x++)
      values.push(Math.max(0, 1 - Math.abs(x + 0.5 - centre) / support));
    const sum = values.reduce((a, b) => a + b, 0);
    return { first, values: values.map((value) => value / sum) };
  });
}
