/**
 * The list of classes: named, chosen, counted; and how well they are known.
 */

import { button, counted, fill, h, icon, percent } from './dom.js';

/**
 * @param {import('./types.js').App} app
 * @param {import('./labels.js').Labels} labels
 * @param {(name: string) => void} chosen called where a class is clicked
 */
export function classList(app, labels, chosen) {
  const list = h('ul', { class: 'clr-classes', role: 'list' });
  const input = h('input', { type: 'text', placeholder: 'Name a class', 'aria-label': 'Name a class', maxlength: 100, autocomplete: 'off', enterkeyhint: 'done' });
  const form = h(
    'form',
    {
      class: 'clr-naming',
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        labels.name(input.value);
        input.value = '';
      },
    },
    input,
    h('button', { type: 'submit', class: 'clr-button' }, 'Add'),
  );
  const undo = button([icon('undo'), 'Undo'], () => labels.undo(), { title: 'Undo the last labels (z)' });
  const hint = h('p', { class: 'clr-hint' });
  const element = h('div', { class: 'clr-card clr-classes-card' }, h('div', { class: 'clr-classes-head' }, h('h2', {}, 'Classes'), undo), hint, list, form);

  /** @param {import('./labels.js').Class} one @param {number} at */
  function entry(one, at) {
    const active = one.name === labels.active;
    const known = one.measured ? `, ${one.right} of ${one.measured} known` : '';
    return h(
      'li',
      { class: 'clr-class' },
      h(
        'button',
        { type: 'button', class: 'clr-class-door', 'aria-pressed': String(active), title: `${one.name}: ${counted(one.count)}${known}`, onclick: () => chosen(one.name) },
        h('kbd', { 'aria-hidden': 'true' }, at < 9 ? at + 1 : ''),
        h('span', { class: 'clr-class-name' }, one.name),
        h('span', { class: 'clr-size' }, one.count.toLocaleString('en')),
      ),
      button(icon('more'), () => about(one), { class: 'clr-bare', 'aria-label': `More about ${one.name}`, title: 'Its pictures, its name' }),
    );
  }

  /** @param {import('./labels.js').Class} one */
  function about(one) {
    const name = h('input', { type: 'text', value: one.name, maxlength: 100, 'aria-label': 'New name' });
    const write = app.offers.may.write !== false;
    const rename = () => {
      const new_ = name.value.trim();
      dialog.close();
      if (!new_ || new_ === one.name) return;
      labels.order = labels.classes().map((each) => (each.name === one.name ? new_ : each.name)).filter((each, at, all) => all.indexOf(each) === at);
      labels.remember();
      if (one.count) labels.ask('rename', { label: one.name, new: new_ });
      else labels.name(new_);
    };
    const remove = () => {
      dialog.close();
      labels.forget(one.name);
      if (one.count) labels.ask('rename', { label: one.name, new: '' });
      else labels.dispatchEvent(new Event('change'));
    };
    const dialog = h('dialog', { class: 'clr-dialog clr-class-dialog', 'aria-label': one.name });
    fill(
      dialog,
      h('h2', {}, one.name),
      h('p', { class: 'clr-hint' }, `${counted(one.count)}${one.measured ? `; of ${one.measured} that were tried, ${one.right} are known` : ''}`),
      h(
        'div',
        { class: 'clr-deeds' },
        button('Show its pictures', () => {
          dialog.close();
          app.go({ show: 'class', of: one.name, as: '' });
        }),
        button('Give it key 1', () => {
          dialog.close();
          labels.first(one.name);
        }),
      ),
      write && h('form', { class: 'clr-naming', onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); rename(); } }, name, h('button', { type: 'submit', class: 'clr-button' }, 'Rename')),
      write && h('p', { class: 'clr-hint' }, 'With the name of another class, the two become one.'),
      h('div', { class: 'clr-deeds' }, write && button(one.count ? `Take this label away from ${counted(one.count)}` : 'Remove this class', remove), button('Close', () => dialog.close(), { autofocus: true })),
    );
    dialog.addEventListener('close', () => dialog.remove());
    element.append(dialog);
    dialog.showModal();
  }

  return {
    element,
    naming: input,
    show() {
      const all = labels.classes();
      const write = app.offers.may.write !== false;
      form.hidden = undo.hidden = !write;
      undo.disabled = !labels.undos.length;
      hint.textContent = !write
        ? 'Labels can be looked at here, not given: start the app with --auth FILE.'
        : !all.length
          ? 'Name the classes to tell apart, such as rose and tulip.'
          : all.length === 1
            ? 'Name a second class.'
            : labels.active
              ? `A click on a picture labels it ${labels.active}.`
              : 'Choose a class, then click pictures; or press its key over a picture.';
      // The focus stays where it is, since elements are exchanged while a person types keys.
      const at = [...list.querySelectorAll('button')].indexOf(/** @type {any} */ (document.activeElement));
      fill(list, all.map(entry));
      if (at >= 0) list.querySelectorAll('button')[at]?.focus();
    },
  };
}

/**
 * Say how well the classes are known.
 *
 * @param {import('./labels.js').Lesson | null} lesson
 * @returns {import('./dom.js').Child[]}
 */
export function knowledge(lesson) {
  if (!lesson || lesson.accuracy === undefined || !lesson.interval) {
    return [h('p', { class: 'clr-hint' }, 'Label two pictures of each of two classes, and see here how well they are told apart.')];
  }
  const [low, high] = lesson.interval.map((end) => Math.round(end * 100));
  const most = lesson.classes.reduce((one, other) => (other.measured > one.measured ? other : one));
  return [
    h('p', { class: 'clr-accuracy' }, h('b', {}, percent(lesson.accuracy)), ' right'),
    h('div', { class: 'clr-scale', role: 'img', 'aria-label': `Between ${low} and ${high} %` }, h('span', { style: `left:${low}%;width:${Math.max(1, high - low)}%` }), h('i', { style: `left:${Math.round(lesson.accuracy * 100)}%` })),
    h('p', { class: 'clr-hint' }, `Probably between ${low} and ${high}\u00a0%, by ${counted(lesson.measured ?? 0)}, each left out in turn.`),
    h('p', { class: 'clr-hint' }, `By chance ${percent(lesson.chance ?? 0)}; always “${most.name}” ${percent(lesson.majority ?? 0)}.`),
  ];
}
