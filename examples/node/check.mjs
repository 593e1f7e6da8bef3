// Prove that this runtime computes what the encoder's makers measured:
//   node check.mjs encoder.onnx golden.json
import { readFile } from "node:fs/promises";
import { Encoder } from "./encoder.mjs";

const [model, golden] = process.argv.slice(2);
if (!golden) {
  console.error("usage: node check.mjs encoder.onnx golden.json");
  process.exit(2);
}
const expected = JSON.parse(await readFile(golden, "utf8"));
const rgb = new Uint8Array(Buffer.from(expected.rgb_base64, "base64"));
const encoder = await Encoder.load(model);
const found = await encoder.embed(rgb, expected.height, expected.width);
const difference = Math.max(...expected.embedding.map((value, i) => Math.abs(value - found[i])));
const right = found.length === expected.embedding.length && difference <= expected.tolerance;
console.log(`${right ? "right" : "WRONG"}: largest difference ${difference.toExponential(2)}`);
process.exit(right ? 0 : 1);
