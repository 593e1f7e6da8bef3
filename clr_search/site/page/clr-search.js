// Search a collection that `clr-search export-site` has written, in the browser:
//
//   import { load } from "./clr-search.js";
//   const site = await load(".");                       // the folder of the site
//   const vector = await site.embed(imageBitmap);       // or a File: Float32Array of unit length
//   site.search(vector, 10);                            // [{ number, score, name, thumbnail }, …]
//
// Pictures never leave the browser: files are fetched, and nothing is sent.

import { SiteError, drawn, seen } from "./pixels.js";

export { SiteError };

const FORMAT = "clr-search site", VERSION = 1;

/**
 * Load names and vectors; the encoder follows with `prepare`, or the first `embed`.
 * @param {string} url  the folder of the site
 * @returns {Promise<Site>}
 */
export async function load(url = ".") {
  const base = new URL(url.endsWith("/") ? url : `${url}/`, document.baseURI);
  const response = await fetch(new URL("site.json", base), { cache: "no-cache" }).catch(() => null);
  if (!response?.ok) throw new SiteError(`There is no site at ${base}: site.json cannot be loaded.`);
  const site = await response.json();
  if (site.format !== FORMAT || site.version !== VERSION)
    throw new SiteError("site.json is of another version than clr-search.js; reload the page.");
  const [items, vectors] = await Promise.all(
    ["items", "vectors"].map((name) => fetched(site.files[name], base)),
  );
  const { count, dimension } = site;
  if (vectors.length !== count * (4 + dimension)) throw new SiteError("vectors.bin is truncated.");
  const names = JSON.parse(new TextDecoder().decode(items));
  return new Site(base, site, names, vectors.buffer);
}

export class Site {
  #base; #files; #names; #scales; #codes; #imageSize; #prepared; #ort; #session;
  #running = Promise.resolve();

  constructor(base, site, names, vectors) {
    this.title = site.title;
    this.count = site.count;
    this.dimension = site.dimension;
    this.encoder = site.encoder; // its name and SHA-256
    this.#base = base;
    this.#files = site.files;
    this.#names = names;
    this.#imageSize = site.image_size;
    const scales = new DataView(vectors); // little-endian, whatever the machine
    this.#scales = Float32Array.from({ length: this.count }, (_, i) => scales.getFloat32(4 * i, true));
    this.#codes = new Int8Array(vectors, 4 * this.count);
  }

  /** Name and thumbnail of a picture of the collection. */
  item(number) {
    const file = `thumbnails/${Math.floor(number / 1000)}/${number}.jpg`;
    const stamp = this.#files.vectors.url.split("?")[1]; // numbers change from export to export
    return { number, name: this.#names[number], thumbnail: new URL(`${file}?${stamp}`, this.#base).href };
  }

  /** Vector of a picture of the collection. */
  vector(number) {
    const codes = this.#codes.subarray(number * this.dimension, (number + 1) * this.dimension);
    return Float32Array.from(codes, (code) => code * this.#scales[number]);
  }

  /**
   * The k pictures most like a vector, the most alike first. Scores are cosine similarities.
   * @param {Float32Array} vector  of unit length
   * @param {number} without  number of a picture to leave out
   */
  search(vector, k = 10, without = -1) {
    const length = this.dimension, codes = this.#codes, best = [];
    for (let number = 0, at = 0; number < this.count; number++) {
      let sum = 0;
      for (let i = 0; i < length; i++) sum += vector[i] * codes[at++];
      const score = sum * this.#scales[number];
      if (number === without || (best.length === k && score <= best[k - 1].score)) continue;
      let place = best.length; // among the few best, in order
      while (place > 0 && best[place - 1].score < score) place--;
      best.splice(place, 0, { number, score });
      if (best.length > k) best.pop();
    }
    return best.map(({ number, score }) => ({ ...this.item(number), score }));
  }

  /**
   * Load the runtime and the encoder.
   * @param {(loaded: number, total: number) => void} progress  told of bytes
   */
  prepare(progress) {
    this.#prepared ??= this.#open(progress).catch((error) => {
      this.#prepared = undefined; // so that it can be tried again
      throw error;
    });
    return this.#prepared;
  }

  async #open(progress) {
    if (typeof WebAssembly !== "object")
      throw new SiteError("This browser has no WebAssembly, or it is switched off.");
    const wanted = ["script", "binary", "encoder"].map((name) => this.#files[name]);
    const total = wanted.reduce((sum, file) => sum + file.bytes, 0);
    let loaded = 0;
    const advance = (bytes) => progress?.((loaded += bytes), total);
    const [script, binary, encoder] = await Promise.all(
      wanted.map((file) => fetched(file, this.#base, advance)),
    );
    try {
      this.#ort = await imported(new URL(wanted[0].url, this.#base), script);
      this.#ort.env.wasm.numThreads = 1; // more would need headers that a plain server does not send
      this.#ort.env.wasm.wasmBinary = binary.buffer;
      this.#session = await this.#ort.InferenceSession.create(encoder);
    } catch (error) {
      throw new SiteError(`The encoder does not start in this browser: ${error.message ?? error}`);
    }
  }

  /**
   * Embed a picture.
   * @param {ImageBitmap | Blob} picture  a Blob is decoded as the collection was
   * @returns {Promise<Float32Array>} unit vector
   */
  async embed(picture) {
    const size = this.#imageSize;
    return this.embedPixels(await seen(picture, size), size, size);
  }

  /** Embed pixels: height × width × 3 bytes, row by row: R, G, B, R, G, B, … */
  async embedPixels(rgb, height, width) {
    await this.prepare();
    const images = new this.#ort.Tensor("uint8", rgb, [1, height, width, 3]);
    const run = this.#running.then(() => this.#session.run({ images })); // one after the other
    this.#running = run.catch(() => {});
    return (await run).embedding.data;
  }

  /**
   * Whether this browser computes what the encoder's makers computed: the largest difference of a
   * number of the golden vector, and of a pixel that went through a canvas.
   */
  async check() {
    const golden = JSON.parse(new TextDecoder().decode(await fetched(this.#files.golden, this.#base)));
    const { height, width } = golden;
    const rgb = Uint8Array.from(atob(golden.rgb_base64), (letter) => letter.charCodeAt(0));
    const found = await this.embedPixels(rgb, height, width);
    const rgba = new ImageData(width, height);
    for (let i = 0; i < height * width; i++) {
      rgba.data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
      rgba.data[4 * i + 3] = 255;
    }
    const seen = drawn(await createImageBitmap(rgba), 0, 0, width, height);
    return {
      difference: largestDifference(golden.embedding, found),
      pixels: largestDifference(rgba.data, seen),
      tolerance: golden.tolerance,
      encoder: golden.model_sha256,
    };
  }
}

/** Fetch a file of site.json: of the size and SHA-384 that are told there, or not at all. */
async function fetched({ url, bytes, integrity }, base, advance) {
  const place = new URL(url, base), name = place.pathname.split("/").pop();
  const subtle = globalThis.crypto?.subtle; // none by http:// from another machine
  const checked = subtle ? {} : { integrity }; // the browser checks, but tells no progress
  let response;
  try {
    response = await fetch(place, checked);
  } catch {
    throw new SiteError(`${name} cannot be loaded from ${place.host}, or is not what it should be.`);
  }
  if (!response.ok) throw new SiteError(`${name} cannot be loaded: the server says ${response.status}.`);
  const data = new Uint8Array(bytes), reader = response.body.getReader();
  let at = 0;
  for (let part; !(part = await reader.read()).done; at += part.value.length) {
    if (at + part.value.length > bytes) throw new SiteError(`${name} is larger than it should be.`);
    data.set(part.value, at);
    advance?.(part.value.length);
  }
  const digest = subtle && new Uint8Array(await subtle.digest("SHA-384", data));
  if (at < bytes || (digest && `sha384-${btoa(String.fromCharCode(...digest))}` !== integrity))
    throw new SiteError(`${name} is not the file that belongs to this site; load it again.`);
  return data;
}

/** Run a script: from its own server by its address; from elsewhere the bytes that were checked. */
async function imported(url, bytes) {
  if (url.origin === location.origin) return import(url);
  const blob = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
  return import(blob).finally(() => URL.revokeObjectURL(blob));
}

function largestDifference(a, b) {
  if (a.length !== b.length) return Infinity;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}
