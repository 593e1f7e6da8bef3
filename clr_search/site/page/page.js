// The page. What it shows is told by the address, so that Back and Forward work:
//   #  a random selection    #item=17  neighbours of a picture of the collection
//   #picture  neighbours of the visitor's picture    #check  the self-check
import { load } from "./clr-search.js";

const FIRST = 24, MOST = 240;
const $ = (id) => document.getElementById(id);

let site, own, shown = FIRST; // own: the visitor's picture, {name, address, vector, seconds}
let asking = 0; // number of the newest question; answers to older ones are dropped

start().catch(complain);

async function start() {
  $("unstarted").remove();
  site = await load(new URL(".", location.href).href);
  window.addEventListener("hashchange", () => {
    route(FIRST);
    if (location.hash.startsWith("#item=")) $("heading").focus({ preventScroll: true });
  });
  $("file").addEventListener("change", () => $("file").files[0] && ask($("file").files[0]));
  $("others").addEventListener("click", () => route(FIRST));
  $("more").addEventListener("click", more);
  for (const type of ["dragenter", "dragover", "dragleave", "drop"])
    window.addEventListener(type, dragged);
  window.addEventListener("paste", (event) => take(event.clipboardData, event));
  $("file").disabled = false;
  if (location.hash === "#picture") history.replaceState(null, "", "#"); // it is gone
  route(FIRST);
  prepare().catch(complain);
}

/** Load the encoder, and tell how far it is. */
async function prepare() {
  const bar = $("progress");
  bar.hidden = false;
  try {
    await site.prepare((loaded, total) => {
      bar.value = loaded / total;
      $("ready").textContent = `Loading the encoder: ${megabytes(loaded)} of ${megabytes(total)} MB`;
      if (loaded === total) $("ready").textContent = "Starting the encoder …";
    });
    $("ready").textContent = "Ready. Your picture stays in this browser.";
  } catch (error) {
    $("ready").textContent = "The encoder did not load; the pictures below can still be searched by.";
    throw error;
  } finally {
    bar.hidden = true;
  }
}

function dragged(event) {
  event.preventDefault(); // else the browser would leave the page and show the file
  $("drop").classList.toggle("over", event.type === "dragenter" || event.type === "dragover");
  if (event.type === "drop") take(event.dataTransfer, event);
}

function take(data, event) {
  const file = [...(data?.files ?? [])][0];
  if (file) {
    event.preventDefault();
    ask(file);
  } else if (event.type === "drop") complain(new Error("What was dropped is not a file."));
}

/** Search by the visitor's picture. */
async function ask(file) {
  const question = ++asking;
  quiet();
  $("file").value = ""; // so that the same file can be chosen again
  $("status").textContent = "Looking at your picture …";
  try {
    await prepare();
    const began = performance.now();
    const vector = await site.embed(file);
    if (question !== asking) return;
    if (own) URL.revokeObjectURL(own.address);
    const seconds = (performance.now() - began) / 1000;
    own = { name: file.name || "Your picture", address: URL.createObjectURL(file), vector, seconds };
    if (location.hash === "#picture") route(FIRST);
    else location.hash = "#picture";
  } catch (error) {
    if (question !== asking) return;
    $("status").textContent = "";
    complain(new Error(`${file.name || "The picture"} was not searched for. ${error.message}`));
  }
}

function route(count) {
  const item = /^#item=(\d+)$/.exec(location.hash);
  shown = count;
  quiet();
  if (location.hash === "#check") return check();
  if (item && Number(item[1]) < site.count) return neighboursOf(Number(item[1]));
  if (location.hash === "#picture" && own) {
    const found = site.search(own.vector, shown + 1);
    asked(own.name, own.address);
    return list("Most alike", found, `embedded in ${own.seconds.toFixed(2)} s`);
  }
  $("query").hidden = true;
  list("A random selection", random(), "choose one to see what is like it");
  $("others").hidden = site.count <= FIRST;
}

function neighboursOf(number) {
  const { name, thumbnail } = site.item(number);
  asked(name, thumbnail);
  list("Most alike", site.search(site.vector(number), shown + 1, number), "");
}

function more() {
  const before = shown;
  route(shown + FIRST);
  $("results").children[before]?.firstChild.focus();
}

function asked(name, address) {
  $("asked").src = address;
  $("asked").alt = `Query: ${name}`;
  $("name").textContent = name;
  $("query").hidden = false;
}

/** Show the first of the results that were found; one more was asked for, to tell if there are. */
function list(heading, found, told) {
  const ranked = found.length > 0 && "score" in found[0];
  $("others").hidden = true;
  $("more").hidden = !ranked || found.length <= shown || shown >= MOST;
  const kept = found.slice(0, shown);
  $("heading").textContent = heading;
  const counted = `${kept.length} of ${site.count.toLocaleString("en")}`;
  $("status").textContent = told ? `${counted}, ${told}` : counted;
  $("results").replaceChildren(...kept.map(tile));
  if (ranked && shown === FIRST && $("heading").getBoundingClientRect().top < 0) window.scrollTo(0, 0);
}

function tile({ number, name, thumbnail, score }) {
  const entry = document.createElement("li"), link = document.createElement("a");
  const image = document.createElement("img"), caption = document.createElement("span");
  const words = document.createElement("i");
  link.href = `#item=${number}`;
  link.title = name;
  Object.assign(image, { loading: "lazy", decoding: "async", width: 160, height: 160, alt: name });
  image.src = thumbnail;
  words.textContent = name.split("/").pop();
  caption.append(words);
  let told = name;
  if (score !== undefined) {
    const number = document.createElement("b");
    number.textContent = score.toFixed(3);
    number.title = "Cosine similarity; 1 is the same picture";
    caption.append(number);
    told += `, similarity ${score.toFixed(3)}`;
  }
  link.setAttribute("aria-label", `${told}: search from this picture`);
  link.append(image, caption);
  entry.append(link);
  return entry;
}

function random() {
  const chosen = new Set();
  while (chosen.size < Math.min(FIRST, site.count)) chosen.add(Math.floor(Math.random() * site.count));
  return [...chosen].map((number) => site.item(number));
}

async function check() {
  if (!$("results").children.length) list("A random selection", random(), "");
  $("checked").textContent = "Checking …";
  try {
    await prepare();
    const { difference, pixels, tolerance, encoder } = await site.check();
    const right = difference <= tolerance && pixels === 0;
    const told = [`largest difference of the golden vector ${difference.toExponential(1)}`];
    told.push(`allowed ${tolerance.toExponential(0)}`, `encoder ${encoder.slice(0, 12)}`);
    if (pixels) told.push("this browser alters the pixels that pages read, to hide who you are");
    $("checked").textContent = `${right ? "Right" : "WRONG"}: ${told.join(", ")}.`;
  } catch (error) {
    $("checked").textContent = "";
    complain(error);
  }
  $("checked").scrollIntoView({ block: "nearest" });
}

function complain(error) {
  $("problem").textContent = error.message;
  $("problem").hidden = false;
}

function quiet() {
  $("problem").hidden = true;
  $("problem").textContent = "";
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}
