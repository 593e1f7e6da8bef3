/**
 * What is taken away of a session of labelling: the classifier, and labels as tables; and in again.
 */

import { button, bytesText, counted, fill, h, percent } from './dom.js';
import { bringLabels, route } from './server.js';

/**
 * @param {import('./types.js').App} app
 * @param {import('./labels.js').Labels} labels
 */
export function taking(app, labels) {
  const make = button('Make the classifier', () => finish(), { class: 'clr-first' });
  const told = h('div', { class: 'clr-made', 'aria-live': 'off' });
  const input = h('input', { type: 'file', accept: '.csv,.tsv,.txt,text/csv', class: 'clr-spoken', tabindex: -1, 'aria-hidden': 'true' });
  const out = h('a', { class: 'clr-button', href: route('labels.csv'), download: 'labels.csv' }, 'Save labels (CSV)');
  const in_ = button('Labels from a table', () => input.click());
  const none = button('Take all labels away', () => labels.ask('relabel', { to: 'none' }));
  const folders = button('Use the names of folders', () => labels.ask('relabel', { to: 'folders' }));
  const anew = h('details', { class: 'clr-anew' }, h('summary', {}, 'Begin anew'), h('div', { class: 'clr-deeds' }, none, folders), h('p', { class: 'clr-hint' }, 'Both can be undone.'));
  const element = h('div', {}, make, told, h('div', { class: 'clr-deeds' }, out, in_, input), anew);
  let waiting = false;
  let asked = -1;

  async function finish() {
    await labels.sending;
    try {
      await app.ask('finish');
    } catch (error) {
      app.fail(error);
      return;
    }
    await wait();
    labels.dispatchEvent(new Event('lost')); // what is shown may be by the new classifier
  }

  async function wait() {
    if (waiting) return;
    waiting = true;
    make.setAttribute('aria-busy', 'true');
    app.say('Making the classifier');
    try {
      for (;;) {
        const state = await app.ask('finished');
        if (state.running === null) {
          tell(state);
          if (state.result) app.say(`The classifier is made. ${percent(state.result.accuracy ?? 0)} right`);
          return;
        }
        fill(told, h('p', { class: 'clr-hint' }, `Fitting with care … ${Math.round(state.running)} s`));
        await new Promise((done) => setTimeout(done, 500));
      }
    } catch (error) {
      fill(told);
      app.fail(error);
    } finally {
      waiting = false;
      make.removeAttribute('aria-busy');
    }
  }

  /** @param {any} state */
  function tell(state) {
    const made = state.result;
    if (!made) {
      fill(told);
      return;
    }
    const [low, high] = (made.interval ?? []).map((/** @type {number} */ end) => Math.round(end * 100));
    const sure = low === undefined ? '' : `, probably ${low} to ${high}\u00a0%`;
    const few = made.left_out.map((/** @type {[string, number]} */ [name, count]) => `${name} (${count})`).join(', ');
    fill(
      told,
      !state.current && h('p', {}, 'Labels have changed since it was made.'),
      h('p', {}, made.accuracy === null ? 'Too few pictures to measure it.' : h('b', {}, `${percent(made.accuracy)} right`), made.accuracy === null ? '' : sure),
      h('p', { class: 'clr-hint' }, `${counted(made.classes, 'class', 'classes')}, ${counted(made.pictures)}. By chance ${percent(made.chance)}${made.majority === null ? '' : `, always the most frequent ${percent(made.majority)}`}.${made.tells_unknown ? ' It tells what is of none of the classes.' : ''}`),
      few && h('p', { class: 'clr-hint' }, `Left out, as a class needs three pictures: ${few}.`),
      h('a', { class: 'clr-button', href: route('probe.onnx'), download: 'probe.onnx' }, `Save probe.onnx (${bytesText(made.bytes)})`),
    );
  }

  input.addEventListener('change', async () => {
    const file = input.files?.[0];
    input.value = '';
    if (!file) return;
    await labels.sending;
    in_.setAttribute('aria-busy', 'true');
    try {
      const found = await bringLabels(file);
      if (found.undo) labels.undos.push(found.undo);
      await labels.refresh();
      labels.dispatchEvent(new Event('lost'));
      report(file.name, found);
    } catch (error) {
      app.fail(error);
    } finally {
      in_.removeAttribute('aria-busy');
    }
  });

  /** @param {string} name @param {Awaited<ReturnType<typeof bringLabels>>} found */
  function report(name, found) {
    const rest = found.missing - found.rows.length;
    const said = `${name} gave labels to ${counted(found.pictures)}.`;
    app.say(said);
    const dialog = h('dialog', { class: 'clr-dialog', 'aria-label': 'Labels from a table' });
    fill(
      dialog,
      h('h2', {}, said),
      found.guessed && h('p', {}, 'The table is no Unicode text: save it as CSV in UTF-8 if letters are wrong.'),
      found.missing ? h('p', {}, `${counted(found.missing, 'row')} found no picture:`) : null,
      h('ul', { class: 'clr-missing' }, found.rows.map((row) => h('li', {}, `Line ${row.line}: ${row.name}: ${row.why}`)), rest > 0 && h('li', {}, `and ${counted(rest, 'more', 'more')}`)),
      button('Close', () => dialog.close(), { autofocus: true }),
    );
    dialog.addEventListener('close', () => dialog.remove());
    element.append(dialog);
    dialog.showModal();
  }

  return {
    element,
    async show() {
      const { lesson } = labels;
      if (!lesson) return;
      const write = app.offers.may.write !== false;
      const two = lesson.classes.length > 1;
      make.disabled = !two;
      make.title = two ? '' : 'Label pictures of two classes first';
      in_.hidden = anew.hidden = !write;
      none.disabled = !lesson.labelled;
      folders.hidden = !lesson.given;
      out.hidden = !lesson.labelled;
      if (asked === lesson.number || waiting) return;
      asked = lesson.number;
      try {
        const state = await app.ask('finished');
        if (state.running !== null) wait();
        else tell(state);
      } catch (error) {
        app.fail(error);
      }
    },
  };
}
