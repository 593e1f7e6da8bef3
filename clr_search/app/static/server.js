/**
 * Questions to the server, and the addresses of its pictures.
 */

/** What went wrong, in words for people, and what to do next. */
export class Problem extends Error {
  /**
   * @param {string} what
   * @param {string} [remedy]
   */
  constructor(what, remedy = '') {
    super(what);
    this.what = what;
    this.remedy = remedy;
  }
}

/**
 * Return a problem for anything that was thrown.
 *
 * @param {unknown} error
 * @returns {Problem}
 */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem('Something went wrong on this page.', 'Load it again.');
}

const PAUSES = [150, 600, 1500];

const NO_ANSWER = new Problem(
  'The app does not answer.',
  'It may have been stopped. Once it runs again, go on here: nothing is lost.',
);

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/**
 * Return the address of a route of the app, also where a proxy shows it below a path.
 *
 * @param {string} path
 */
export function route(path) {
  const base = new URL(document.baseURI);
  base.search = base.hash = '';
  return new URL(`clr/${path}`, base).href;
}

/**
 * Return a function that asks the server, and tries again where it does not answer.
 *
 * @param {Record<string, (args: object) => Promise<any>>} server functions of Gradio's component
 * @returns {(name: string, args?: object) => Promise<any>}
 */
export function asking(server) {
  return async (name, args = {}) => {
    for (let attempt = 0; ; attempt += 1) {
      let answer;
      try {
        answer = await server[name](args);
      } catch {
        if (attempt >= PAUSES.length) throw NO_ANSWER;
        await pause(PAUSES[attempt]);
        continue;
      }
      if (answer?.error) throw new Problem(answer.error.what, answer.error.remedy);
      if (answer?.ok === undefined) throw NO_ANSWER;
      return answer.ok;
    }
  };
}

/**
 * Return the address of a thumbnail.
 *
 * @param {import('./types.js').Row} row
 */
export function thumbnail(row) {
  if (row.upload) return route(`upload/${row.upload}`);
  return route(`thumb/${row.id}?v=${row.v ?? ''}`);
}

/**
 * Return the address of a picture that is as large as a screen.
 *
 * @param {import('./types.js').Row} row
 */
export function large(row) {
  if (row.upload) return route(`upload/${row.upload}?large=1`);
  return route(`picture/${row.id}?v=${row.v ?? ''}`);
}

/**
 * Read the problem out of an answer that is none.
 *
 * @param {Response} response
 */
async function refusal(response) {
  const said = await response.json().catch(() => null);
  return new Problem(said?.detail ?? `The app answered ${response.status}.`, said?.remedy ?? '');
}

/**
 * Bring a picture to the server.
 *
 * @param {File} file
 * @returns {Promise<import('./types.js').Row>}
 */
export async function bring(file) {
  let response;
  try {
    response = await fetch(route('upload'), {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'x-name': encodeURIComponent(file.name ?? ''),
      },
      body: file,
    });
  } catch {
    throw NO_ANSWER;
  }
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/**
 * Bring a table of labels to the server.
 *
 * @param {File} file
 * @returns {Promise<{undo: string, pictures: number, missing: number, guessed: boolean, rows: {line: number, name: string, why: string}[]}>}
 */
export async function bringLabels(file) {
  const response = await fetch(route('labels'), {
    method: 'POST',
    headers: { 'content-type': 'text/csv', 'x-name': encodeURIComponent(file.name ?? '') },
    body: file,
  }).catch(() => {
    throw NO_ANSWER;
  });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/**
 * Take pictures away as a file, which the browser saves.
 *
 * @param {'csv' | 'sheet' | 'zip'} kind
 * @param {number[]} ids
 */
export async function take(kind, ids) {
  const response = await fetch(route('export'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind, ids }),
  }).catch(() => {
    throw NO_ANSWER;
  });
  if (!response.ok) throw await refusal(response);
  const name = { csv: 'pictures.csv', sheet: 'pictures.jpg', zip: 'pictures.zip' }[kind];
  save(await response.blob(), name);
}

/**
 * Take the list of copies that could go. The server reads their files meanwhile, and says how far.
 *
 * @param {object} wanted
 * @param {(done: number, total: number) => void} progress
 * @returns {Promise<any>} the last line of the answer, which has the file
 */
export async function listOf(wanted, progress) {
  const response = await fetch(route('copies'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(wanted),
  }).catch(() => {
    throw NO_ANSWER;
  });
  if (!response.ok || !response.body) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ;) {
    const { done, value } = await reader.read().catch(() => {
      throw NO_ANSWER;
    });
    const lines = (rest + (value ?? '')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const said = JSON.parse(line);
      if (said.error) throw new Problem(said.error.what, said.error.remedy);
      if (said.name) return said;
      progress(said.done, said.total);
    }
    if (done) throw NO_ANSWER;
  }
}

/**
 * Let the browser save bytes under a name.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Tell the answer to the last question from answers to earlier ones that come after it.
 *
 * @returns {() => () => boolean} begins a turn; what it returns says whether none was begun since
 */
export function turns() {
  let turn = 0;
  return () => {
    turn += 1;
    const mine = turn;
    return () => mine === turn;
  };
}
