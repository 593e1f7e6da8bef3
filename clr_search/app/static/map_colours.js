/**
 * Colours of the points of a map.
 */

import { COLOURS } from './map_points.js';

/** Code of points of no class. */
export const OTHER = 255;

const DISTINCT = [
  '#3b76c4', '#e07b28', '#3a9d4e', '#cf4040', '#8a63c0', '#8f6148', '#d76bb0', '#4aa9b8', '#b3a125', '#6d7f1f',
  '#7fb0e8', '#f0b070', '#8fd08f', '#f09a94', '#c0a5e0', '#c8a490', '#eaa8d2', '#98d6de', '#e0d070', '#2f5d62',
];
const GREY = [140, 140, 140];
const CLEAR = 215; // of 255: points that lie on each other are seen through

/** From grey, over blue, to a red that is seen on light and on dark. */
const RAMP = ['#a0a0a0', '#8f9cc4', '#5f7fd0', '#8a52c8', '#c92f8f', '#e8203c'];

/**
 * @param {string} colour
 * @returns {number[]}
 */
const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

/**
 * Return the colour of a class: those of the largest are easily told apart, further ones repeat
 * hues in other shades.
 *
 * @param {number} code
 * @returns {number[]} red, green and blue, up to 255
 */
export function colourOf(code) {
  if (code === OTHER) return GREY;
  if (code < DISTINCT.length) return channels(DISTINCT[code]);
  const hue = (code * 137.508) % 360;
  const light = [0.42, 0.56, 0.68][code % 3];
  return [0, 8, 4].map((shift) => {
    const k = (shift + hue / 30) % 12;
    return Math.round(255 * (light - 0.5 * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  });
}

/**
 * Return the colour of a likeness.
 *
 * @param {number} share from 0 to 1
 * @returns {number[]}
 */
export function rampOf(share) {
  const at = Math.min(RAMP.length - 1.001, Math.max(0, share * (RAMP.length - 1)));
  const [low, high] = [channels(RAMP[Math.floor(at)]), channels(RAMP[Math.floor(at) + 1])];
  return low.map((value, channel) => Math.round(value + (high[channel] - value) * (at % 1)));
}

/** A gradient for the legend. */
export const GRADIENT = `linear-gradient(to right, ${RAMP.join(', ')})`;

/** @param {number[]} colour */
export const cssOf = (colour) => `rgb(${colour.slice(0, 3).join(' ')})`;

/**
 * Return the colours of all codes.
 *
 * @param {(code: number) => number[]} paint
 * @param {Set<number>} off codes that are not shown
 */
export function paletteOf(paint, off) {
  const palette = new Uint8Array(4 * COLOURS);
  for (let code = 0; code < COLOURS; code += 1) {
    palette.set([...paint(code).slice(0, 3), off.has(code) ? 0 : CLEAR], 4 * code);
  }
  return palette;
}
