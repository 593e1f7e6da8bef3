/**
 * A box that is drawn on a picture with the mouse, a finger or a pen.
 */

import { h } from './dom.js';

const LEAST = 0.03; // A smaller box is a click.

/**
 * Let a person draw a box.
 *
 * @param {HTMLElement} stage what the picture lies in
 * @param {HTMLImageElement} image
 * @param {() => void} changed is told of a new box
 */
export function boxed(stage, image, changed) {
  /** @type {number[] | null} */
  let crop = null;
  /** @type {{x: number, y: number} | null} */
  let from = null;
  const frame = h('div', { class: 'clr-box', hidden: true });
  stage.append(frame);

  /** @param {PointerEvent} event */
  const place = (event) => {
    const area = image.getBoundingClientRect();
    const within = (/** @type {number} */ value) => Math.min(1, Math.max(0, value));
    return {
      x: within((event.clientX - area.left) / area.width),
      y: within((event.clientY - area.top) / area.height),
    };
  };
  const draw = () => {
    frame.hidden = crop === null;
    if (!crop) return;
    const area = image.getBoundingClientRect();
    const outer = stage.getBoundingClientRect();
    frame.style.left = `${area.left - outer.left + crop[0] * area.width}px`;
    frame.style.top = `${area.top - outer.top + crop[1] * area.height}px`;
    frame.style.width = `${crop[2] * area.width}px`;
    frame.style.height = `${crop[3] * area.height}px`;
  };
  stage.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || event.target !== image) return;
    event.preventDefault();
    from = place(event);
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener('pointermove', (event) => {
    if (!from) return;
    const to = place(event);
    crop = [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y)];
    draw();
  });
  const end = () => {
    if (!from) return;
    from = null;
    if (crop && (crop[2] < LEAST || crop[3] < LEAST)) crop = null;
    draw();
    changed();
  };
  stage.addEventListener('pointerup', end);
  stage.addEventListener('pointercancel', end);
  window.addEventListener('resize', draw);
  return {
    crop: () => crop,
    clear: () => {
      crop = null;
      draw();
    },
  };
}
