// A clr-search encoder in JavaScript. All preprocessing is inside the ONNX file, so this is the
// whole integration: pixels in, unit vector out.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1; // worker threads would keep a short script from ending

export class Encoder {
  #session;

  constructor(session) {
    this.#session = session;
  }

  /** Load `encoder.onnx` from disk. */
  static async load(path) {
    return new Encoder(await ort.InferenceSession.create(await readFile(path)));
  }

  /**
   * Embed one picture.
   * @param {Uint8Array} rgb  height × width × 3 bytes, row by row: R, G, B, R, G, B, …
   * @returns {Promise<Float32Array>} the embedding, of unit length
   */
  async embed(rgb, height, width) {
    const images = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
    const { embedding } = await this.#session.run({ images });
    return embedding.data;
  }
}

/** Cosine similarity of two embeddings: both have unit length, so it is the dot product. */
export function cosine(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
