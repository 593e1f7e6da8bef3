// Embed pictures, and print one JSON object a line:
//   node embed.mjs encoder.onnx photo.ppm other.ppm
// PPM is the one picture format that needs no library to read: `magick photo.jpg photo.ppm`, or
// Pillow's `Image.save("photo.ppm")`. In an application, take the decoder it already has.
import { readFile } from "node:fs/promises";
import { Encoder } from "./encoder.mjs";

/** Pixels of a binary PPM (P6) of 8 bits: {width, height, rgb}. */
function readPpm(bytes) {
  const head = /^P6(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+255\s/.exec(
    bytes.subarray(0, 512).toString("latin1"),
  );
  if (!head) throw new Error("not a binary PPM of 8 bits a channel");
  const [width, height] = [Number(head[1]), Number(head[2])];
  const rgb = new Uint8Array(bytes.subarray(head[0].length, head[0].length + width * height * 3));
  if (rgb.length !== width * height * 3) throw new Error("the file is truncated");
  return { width, height, rgb };
}

const [model, ...pictures] = process.argv.slice(2);
if (!pictures.length) {
  console.error("usage: node embed.mjs encoder.onnx picture.ppm ...");
  process.exit(2);
}
const encoder = await Encoder.load(model);
for (const path of pictures) {
  try {
    const { width, height, rgb } = readPpm(await readFile(path));
    const embedding = Array.from(await encoder.embed(rgb, height, width));
    console.log(JSON.stringify({ path, embedding }));
  } catch (error) {
    console.error(`${path}: ${error.message}`);
    process.exitCode = 1;
  }
}
