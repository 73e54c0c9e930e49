"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Grids: each row is a string, each letter a cell. Equal neighbours are painted at once.
const grids = [...document.querySelectorAll(".grid[data-kind]")].map((box) => {
  return { box, canvas: box.querySelector("canvas"), cells: JSON.parse(box.querySelector("script").textContent) };
});

function colours() {
  const cells = { a: style("--absent"), u: style("--up"), c: style("--cut"), r: style("--refuse"), d: style("--down") };
  for (let level = 0; level <= 9; level++) {
    const share = level === 0 ? 0 : 14 + (level * 86) / 9;
    cells[level] = `color-mix(in srgb, ${style("--repair")} ${share}%, ${style("--faint")})`;
  }
  return cells;
}

function paint() {
  const colour = colours();
  const scale = window.devicePixelRatio || 1;
  for (const { box, canvas, cells } of grids) {
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const context = canvas.getContext("2d");
    const height = canvas.height / cells.rows.length;
    const gap = height / scale >= 5 ? scale : 0;
    cells.rows.forEach((row, index) => {
      const width = canvas.width / row.length;
      for (let from = 0, to = 0; from < row.length; from = to) {
        while (to < row.length && row[to] === row[from]) to++;
        context.fillStyle = colour[row[from]];
        context.fillRect(from * width, index * height, (to - from) * width + 0.4, height - gap);
      }
    });
  }
}

// One cross for all charts: what the pointer is at in one is read off all.
const panels = [...document.querySelectorAll("section")].filter((panel) => panel.querySelector("output"));
for (const panel of panels) {
  const cross = document.createElement("div");
  cross.className = "cross";
  panel.querySelector(".plot").append(cross);
}

function words(seconds) {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.round(seconds % 60)];
  return [[hours, "h"], [minutes, "min"], [rest, "s"]].filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ") || "0 s";
}

function point(event) {
  const plot = event.target.closest && event.target.closest(".plot");
  if (!plot || !data.step) return;
  const box = plot.getBoundingClientRect();
  const [left, right] = ["--left", "--right"].map((name) => (parseFloat(style(name)) / 100) * box.width);
  const share = Math.min(1, Math.max(0, (event.clientX - box.left - left) / (box.width - left - right)));
  const at = share * data.end;
  const index = Math.max(0, Math.ceil(at / data.step) - 1);
  const grid = plot.querySelector(".grid[data-kind]");
  panels.forEach((panel, number) => {
    const cross = panel.querySelector(".cross");
    cross.style.display = "block";
    cross.style.left = `calc(var(--left) + (100% - var(--left) - var(--right)) * ${share})`;
    const read = (data.reads[number] || [])[index];
    panel.querySelector("output").textContent = read ? `at ${words(at)}: ${read}` : "";
  });
  if (grid) {
    const cells = JSON.parse(grid.querySelector("script").textContent);
    const inside = event.clientY - grid.getBoundingClientRect().top;
    const row = Math.floor((inside / grid.clientHeight) * cells.rows.length);
    if (cells.labels[row]) plot.closest("section").querySelector("output").textContent += ` · here ${cells.labels[row]}`;
  }
}

document.addEventListener("pointermove", point);
addEventListener("resize", paint);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
paint();
