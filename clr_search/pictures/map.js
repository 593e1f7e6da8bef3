"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const canvas = document.getElementById("map"), context = canvas.getContext("2d");
const card = document.getElementById("card"), large = document.getElementById("large");
const find = document.getElementById("find");
const atlases = data.atlases.map((uri) => {
  const image = new Image();
  image.onload = draw;
  image.src = uri;
  return image;
});
const view = { x: 0.5, y: 0.5, zoom: 1 };
let hovered = -1, wanted = "";

for (const [name, colour] of data.legend) {
  const entry = document.createElement("li"), mark = document.createElement("i");
  mark.style.background = colour;
  entry.append(mark, name);
  document.getElementById("legend").append(entry);
}

function side() {
  return 0.94 * Math.min(canvas.clientWidth, canvas.clientHeight) * view.zoom;
}

function place(item) {
  return [
    canvas.clientWidth / 2 + (item.x - view.x) * side(),
    canvas.clientHeight / 2 + (item.y - view.y) * side(),
  ];
}

function tile() {
  return Math.min(data.tile, Math.max(7, (0.8 * side()) / Math.sqrt(data.items.length)));
}

function draw() {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight, size = tile();
  canvas.width = width * scale;
  canvas.height = height * scale;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  data.items.forEach((item, number) => {
    const [x, y] = place(item);
    if (x < -size || y < -size || x > width + size || y > height + size) return;
    context.globalAlpha = !wanted || item.path.toLowerCase().includes(wanted) ? 1 : 0.08;
    paint(context, item, x - size / 2, y - size / 2, size);
    context.strokeStyle = item.colour;
    context.lineWidth = number === hovered ? 3 : size > 20 ? 1.5 : 1;
    context.strokeRect(x - size / 2, y - size / 2, size, size);
  });
  context.globalAlpha = 1;
}

function paint(where, item, x, y, size) {
  const columns = data.columns, cell = item.cell % (columns * columns);
  const atlas = atlases[Math.floor(item.cell / (columns * columns))];
  where.fillStyle = item.colour;
  if (!atlas || !atlas.complete) return where.fillRect(x, y, size, size);
  const left = (cell % columns) * data.tile, top = Math.floor(cell / columns) * data.tile;
  where.drawImage(atlas, left, top, data.tile, data.tile, x, y, size, size);
}

function show(number, x, y) {
  if (number !== hovered) {
    hovered = number;
    draw();
  }
  card.style.display = number < 0 ? "none" : "block";
  if (number < 0) return;
  const item = data.items[number];
  paint(large.getContext("2d"), item, 0, 0, 168);
  document.getElementById("name").textContent = item.path.split("/").pop();
  document.getElementById("where").textContent = item.path;
  card.style.left = `${Math.min(x + 16, canvas.clientWidth - card.offsetWidth - 8)}px`;
  card.style.top = `${Math.min(y + 16, canvas.clientHeight - card.offsetHeight - 8)}px`;
}

function nearest(x, y) {
  let best = -1, least = Math.max(tile(), 14);
  data.items.forEach((item, number) => {
    const [left, top] = place(item), away = Math.hypot(left - x, top - y);
    if (away < least) [best, least] = [number, away];
  });
  return best;
}

canvas.addEventListener("pointermove", (event) => {
  if (event.buttons) {
    view.x -= event.movementX / side();
    view.y -= event.movementY / side();
    draw();
  } else show(nearest(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
});
canvas.addEventListener("pointerleave", () => show(-1));
canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const dx = event.offsetX - canvas.clientWidth / 2, dy = event.offsetY - canvas.clientHeight / 2;
    const before = side();
    view.zoom = Math.min(20, Math.max(0.5, view.zoom * Math.exp(-event.deltaY / 800)));
    view.x += dx / before - dx / side();
    view.y += dy / before - dy / side();
    draw();
  },
  { passive: false },
);
find.addEventListener("input", () => {
  wanted = find.value.toLowerCase();
  draw();
});
window.addEventListener("resize", draw);
draw();
