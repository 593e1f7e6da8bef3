/**
 * How one moves over a map: by mouse, wheel, fingers and keys.
 */

const CLICK = 5; // pixels that a click may move
const STEP = 80; // pixels that an arrow key moves

/**
 * @typedef {object} Deeds
 * @property {() => boolean} drawing whether dragging draws around pictures
 * @property {() => void} moved the camera has changed
 * @property {(left: number, top: number) => void} hover
 * @property {() => void} leave the pointer is over no picture any more
 * @property {(left: number, top: number, touch: boolean) => void} click
 * @property {(path: [number, number][], done: boolean) => void} lasso places in the window
 * @property {() => void} list the Enter key
 */

/**
 * @param {HTMLElement} box
 * @param {import('./map_camera.js').Camera} camera
 * @param {Deeds} deeds
 */
export function gestures(box, camera, deeds) {
  /** @type {Map<number, [number, number]>} */
  const down = new Map();
  /** @type {[number, number][]} */
  let path = [];
  let lassoing = false;
  let wandered = 0;

  /** @type {(event: MouseEvent) => [number, number]} */
  const at = (event) => {
    const { left, top } = box.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };

  box.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || (event.target instanceof Element && event.target.closest('button'))) return;
    box.setPointerCapture(event.pointerId);
    box.focus({ preventScroll: true });
    down.set(event.pointerId, at(event));
    lassoing = down.size === 1 && (event.shiftKey || deeds.drawing());
    path = [at(event)];
    wandered = down.size === 1 ? 0 : Infinity;
    deeds.leave();
  });
  box.addEventListener('pointermove', (event) => {
    const now = at(event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType === 'mouse') deeds.hover(...now);
      return;
    }
    wandered += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (lassoing) {
      path.push(now);
      deeds.lasso(path, false);
    } else if (down.size === 2) {
      const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      pinch(before, now, other);
    } else if (wandered > CLICK) {
      camera.move(now[0] - before[0], now[1] - before[1]);
      deeds.moved();
    }
    down.set(event.pointerId, now);
  });
  /** @param {PointerEvent} event */
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    const cancelled = event.type === 'pointercancel';
    if (lassoing) {
      lassoing = false;
      deeds.lasso(wandered > 4 * CLICK && !cancelled ? path : [], true);
    } else if (wandered <= CLICK && !cancelled) deeds.click(...at(event), event.pointerType !== 'mouse');
  };
  box.addEventListener('pointerup', up);
  box.addEventListener('pointercancel', up);
  box.addEventListener('pointerleave', () => deeds.leave());
  box.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 20 : 1;
      camera.nearer(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) / 400), ...at(event));
      deeds.moved();
    },
    { passive: false },
  );
  box.addEventListener('keydown', (event) => {
    if (event.target !== box || event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => camera.move(STEP, 0),
      ArrowRight: () => camera.move(-STEP, 0),
      ArrowUp: () => camera.move(0, STEP),
      ArrowDown: () => camera.move(0, -STEP),
      '+': () => camera.nearer(1.4),
      '=': () => camera.nearer(1.4),
      '-': () => camera.nearer(1 / 1.4),
      0: () => camera.reset(),
      Home: () => camera.reset(),
      Enter: () => deeds.list(),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
    deeds.leave();
    deeds.moved();
  });

  /**
   * @param {[number, number]} before where the finger was
   * @param {[number, number]} now
   * @param {[number, number]} other the other finger
   */
  function pinch(before, now, other) {
    const factor = Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1]));
    camera.move((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    camera.nearer(factor, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    deeds.moved();
  }
}
