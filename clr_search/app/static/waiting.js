/**
 * What is shown while something is made that takes long: what is done, and for how long.
 */

import { duration, h } from './dom.js';

export function waiting() {
  const words = h('p', {});
  const time = h('p', { class: 'clr-hint' });
  const element = h('div', { class: 'clr-empty clr-making', hidden: true }, words, h('progress', { 'aria-label': 'Working' }), time,
    h('p', { class: 'clr-hint' }, 'Search goes on meanwhile, in its tab.'));

  return {
    element,
    /**
     * @param {string} stage what is done; empty for nothing any more
     * @param {number} seconds
     */
    show(stage, seconds) {
      element.hidden = !stage;
      words.textContent = `${stage} …`;
      time.textContent = seconds >= 1 ? `for ${seconds < 10 ? duration(seconds) : `${Math.round(seconds)} s`}` : '';
    },
  };
}
