/**
 * How a person brings a picture: by a click, by dropping or pasting it, or with the camera.
 */

import { button, fill, h, icon } from './dom.js';
import { bring, Problem } from './server.js';

const MOST = 8;

/**
 * @param {import('./types.js').App} app
 * @param {(terms: import('./types.js').Term[]) => void} brought
 */
export function bringing(app, brought) {
  const input = h('input', { type: 'file', accept: 'image/*,.heic,.tif,.tiff', multiple: true, class: 'clr-spoken', tabindex: -1, 'aria-hidden': 'true' });
  const door = button([icon('picture'), h('span', {}, 'Bring a picture')], () => input.click(), { class: 'clr-first' });
  const hint = h('span', { class: 'clr-hint clr-wide-only' }, 'or drop or paste one anywhere');
  const camera = button(icon('camera'), () => photograph(), { class: 'clr-bare', 'aria-label': 'Take a picture with the camera', title: 'Camera' });
  const element = h('div', { class: 'clr-bring' }, input, door, camera, hint);
  const state = { element, held: false };
  const here = () => element.getClientRects().length > 0; // several tabs have one of these

  /** @param {Iterable<File>} files */
  async function send(files) {
    const pictures = [...files].filter((file) => !file.type || file.type.startsWith('image/'));
    if (!pictures.length) {
      app.fail(new Problem('That is no picture.', 'Bring a file such as JPEG, PNG, WebP, TIFF or HEIC.'));
      return;
    }
    door.setAttribute('aria-busy', 'true');
    app.say('Reading the picture');
    const outcomes = await Promise.allSettled(pictures.slice(0, MOST).map(bring));
    door.removeAttribute('aria-busy');
    const terms = outcomes.flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [{ upload: outcome.value.upload, weight: 1 }] : [],
    );
    if (terms.length) brought(terms);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') app.fail(outcome.reason);
    }
    if (pictures.length > MOST) {
      app.fail(new Problem(`Only the first ${MOST} of ${pictures.length} pictures were taken.`));
    }
  }

  input.addEventListener('change', () => {
    send(input.files ?? []);
    input.value = '';
  });
  document.addEventListener('clr-bring', () => here() && door.click());
  document.addEventListener('paste', (event) => {
    const files = event.clipboardData?.files;
    if (!files?.length || !here()) return;
    event.preventDefault();
    send(files);
  });
  let inside = 0;
  document.addEventListener('dragenter', (event) => {
    if (!event.dataTransfer?.types.includes('Files') || !here()) return;
    inside += 1;
    document.body.classList.add('clr-dragging');
  });
  document.addEventListener('dragleave', () => {
    inside = Math.max(0, inside - 1);
    if (!inside) document.body.classList.remove('clr-dragging');
  });
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault(); // otherwise the browser leaves the page to show the file
    inside = 0;
    document.body.classList.remove('clr-dragging');
    if (event.dataTransfer?.files.length && here()) send(event.dataTransfer.files);
  });

  async function photograph() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    } catch {
      app.fail(
        new Problem(
          'The camera cannot be used.',
          'Allow it in the browser; over a network, browsers allow it only with HTTPS.',
        ),
      );
      return;
    }
    const video = h('video', { autoplay: true, playsinline: true, muted: true });
    video.srcObject = stream;
    const stop = () => stream.getTracks().forEach((track) => track.stop());
    const shoot = async () => {
      const canvas = h('canvas', { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext('2d')?.drawImage(video, 0, 0);
      const blob = await new Promise((/** @type {(blob: Blob | null) => void} */ done) => canvas.toBlob(done, 'image/png'));
      dialog.close();
      if (blob) send([new File([blob], 'image.png', { type: 'image/png' })]);
    };
    const dialog = h('dialog', { class: 'clr-dialog clr-camera', 'aria-label': 'Camera' });
    fill(dialog, video, h('div', { class: 'clr-deeds' }, button('Take it', shoot, { class: 'clr-first', autofocus: true }), button('Cancel', () => dialog.close())));
    dialog.addEventListener('close', () => {
      stop();
      dialog.remove();
    });
    element.append(dialog);
    dialog.showModal();
  }
  return state;
}
