// The page: what the address says is shown, and what is chosen stands in the address.
const $ = (id) => document.getElementById(id);
const WORDS = new Set(["name", "origin", "standing", "status"]);
const AXES = {
  entries: { x: "privacy", y: "relative_performance", xname: "Privacy (share of others beaten)", yname: "Performance relative to float32" },
  long: { x: "r", y: "relative_performance", xname: "r × 10⁴", yname: "Performance relative to float32" },
};
// Columns of which a reader wants the largest first.
const LARGER = new Set(["privacy", "relative_performance", "mis_bound", "smallest_mis_bound", "r", "rank_stability", "borda", "ranked_cells", "tpr_at_1pct", "lira_auc"]);

for (const columns of [meta.standing, meta.cell, meta.ranks]) {
  for (const column of columns) {
    column.words = WORDS.has(column.kind);
    column.larger = LARGER.has(column.column);
  }
}

let state = {};
const scatter = new Scatter($("plot"), (name) => go({ quantizer: name }));
let table = null;
let view = null;

function read() {
  const asked = new URLSearchParams(location.hash.slice(1));
  return { scope: asked.get("scope"), task: asked.get("task"), cell: asked.get("cell"), quantizer: asked.get("quantizer"), q: asked.get("q") };
}

function go(changes) {
  const next = { ...state, ...changes };
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(next)) if (value) asked.set(name, value);
  const hash = asked.toString();
  history.pushState(null, "", hash ? "#" + hash : location.pathname + location.search);
  follow();
}

// Distinct values of a column of text, in their order of first appearance.
function valuesOf(frame, name) {
  return frame.has(name) ? frame.column(name).values : [];
}

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
  select.value = chosen;
}

const scopes = valuesOf(tables.entries, "scope");
const tasks = [...valuesOf(tables.long, "task")].sort(collator.compare);
$("scope-box").hidden = scopes.length < 2;
options($("scope"), scopes.map((scope) => [scope, scope]), scopes[0] || "");
options($("task"), [["", "all tasks"], ...tasks.map((task) => [task, task])], "");

// What is quantized in the rows that are shown: the one that is asked for, or the first.
function scopeNow() {
  return scopes.includes(state.scope) ? state.scope : scopes[0] ?? null;
}

function inScope(frame, row) {
  return scopeNow() === null || !frame.has("scope") || frame.at(row, "scope") === scopeNow();
}

// Cells of a task: {key, title, rows, keys}. What measures the same thing, of other quantizers, is one of them.
function cellsOf(task) {
  const long = tables.long, found = new Map(), same = long.has("setting") ? "setting" : "cell";
  for (const row of long.where("task", task)) {
    if (!inScope(long, row)) continue;
    const which = long.at(row, same), key = long.at(row, "cell");
    if (!found.has(which)) {
      const title = [long.at(row, "encoder"), long.at(row, "split"), `seed ${long.at(row, "seed")}`, `${long.at(row, "runs")} runs`].join(" · ");
      found.set(which, { key, title, rows: [], keys: new Set() });
    }
    found.get(which).rows.push(row);
    found.get(which).keys.add(key);
  }
  return [...found.values()];
}

// Rows that count nowhere, for another one stands in their place.
function aside(frame, row) {
  return ["outdated", "repeated"].includes(frame.at(row, "status"));
}

function follow() {
  const asked = read(), told = [];
  if (asked.scope && !scopes.includes(asked.scope)) told.push(`nothing is quantized as “${asked.scope}” on this board`);
  if (asked.task && !tasks.includes(asked.task)) told.push(`no task “${asked.task}” on this board`);
  const before = view && view.key;
  state = { ...asked, task: tasks.includes(asked.task) ? asked.task : null };
  $("scope").value = scopeNow() ?? "";
  $("task").value = state.task || "";
  $("search").value = asked.q || "";
  const cells = state.task ? cellsOf(state.task) : [];
  const cell = cells.find((each) => each.keys.has(asked.cell)) || cells[0] || null;
  state.cell = cell && asked.cell ? cell.key : null;
  const key = JSON.stringify([scopeNow(), state.task, cell && cell.key]);
  const known = asked.quantizer && tables.entries.column("quantizer").values.includes(asked.quantizer);
  if (asked.quantizer && !known) told.push(`no quantizer “${asked.quantizer}” on this board`);
  if (key !== before) render(key, cells, cell);
  // nothing is drawn again for a detail alone, so that the focus finds its way back to where it was
  if (key !== before || view.q !== asked.q) apply();
  view.q = asked.q;
  announce(told);
  if (known) showDetail($("detail"), asked.quantizer, scopeNow(), () => $("detail").close(), go);
  else if ($("detail").open) $("detail").close();
}

function render(key, cells, cell) {
  $("cell-box").hidden = !state.task;
  options($("cell"), cells.map((each) => [each.key, each.title]), cell ? cell.key : "");
  const frame = cell ? tables.long : tables.entries, columns = cell ? meta.cell : meta.standing;
  const numbers = cell ? cell.rows : [...Array(frame.rows).keys()].filter((row) => inScope(frame, row));
  const rows = numbers.map((row) => rowOf(frame, row, columns, (name) => go({ quantizer: name })));
  view = { key, frame, rows, cell: Boolean(cell), mixed: cell !== null && cell.keys.size > 1 };
  $("table-title").textContent = state.task ? `One cell of ${state.task}` : "Standing over all cells";
  $("sub").textContent = cell ? cellText(cell) : "Ranked over the block: the quantizers and cells in which no figure is missing. Partial entries have the rank they would have among these.";
  table = new Table($("standing"), $("table-title").textContent, () => announce());
  const by = columns.findIndex((column) => column.column === (view.mixed ? "r" : "privacy_rank"));
  table.fill(columns, rows, Math.max(by, 0), view.mixed);
  $("complete-box").hidden = view.cell;
  if ($("nobody")) $("nobody").hidden = view.cell;
  const origins = [...new Set(rows.map((row) => originOf(frame, row.row)))].sort();
  const chosen = origins.includes($("origin").value) ? $("origin").value : "";
  options($("origin"), [["", "all"], ...origins.map((origin) => [origin, origin])], chosen);
}

function cellText(cell) {
  const row = cell.rows[0], long = tables.long;
  const metric = long.at(row, "metric"), words = [cell.title];
  if (metric) words.push(`performance: ${metric}`);
  if (cell.keys.size > 1) words.push(`measured in ${cell.keys.size} parts: rank and front of a row are those within its part, the line of the figure is of all`);
  const statuses = new Set(cell.rows.map((each) => long.at(each, "status")));
  words.push(...meta.nobody.filter((each) => statuses.has(each)).map(meant));
  return words.join(" · ");
}

// Filter the table and the scatter by what is asked, and say how many rows are shown.
function apply() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const origin = $("origin").value, bits = $("bits").value === "" ? Infinity : Number($("bits").value);
  const { frame } = view, complete = $("complete").checked && !view.cell, front = $("front").checked;
  table.filter((row) =>
    words.every((each) => row.text.includes(each)) &&
    (!origin || originOf(frame, row.row) === origin) &&
    (bits === Infinity || (frame.at(row.row, "bits") ?? Infinity) <= bits) &&
    (!front || isFront(frame, row.row)) &&
    (!complete || !frame.at(row.row, "partial")));
  scatterShown();
  announce();
}

function announce(told) {
  const count = view.rows.filter((row) => row.shown).length;
  const parts = [...(told || []), `${count} of ${view.rows.length} quantizers shown`, table.sorted()];
  $("live").textContent = parts.filter(Boolean).join("; ") + ".";
}

function scatterShown() {
  const { frame, rows } = view, axes = view.cell ? AXES.long : AXES.entries;
  const columns = view.cell ? meta.cell : meta.standing;
  const [xs, ys] = [axes.x, axes.y].map((name) => columns.find((column) => column.column === name));
  const points = [], undrawn = [];
  for (const row of rows.filter((each) => each.shown)) {
    const x = frame.at(row.row, axes.x), y = frame.at(row.row, axes.y);
    if (aside(frame, row.row)) undrawn.push(`${row.name} (${frame.at(row.row, "status")})`);
    else if (known(x, y)) points.push(pointOf(frame, row, xs, ys, x, y));
    else undrawn.push(`${row.name} (a figure is missing or without bound)`);
  }
  const counted = points.filter((point) => !point.uncounted);
  const able = counted.filter((point) => !point.doubted); // a useless model is on no front and beats nobody
  if (view.mixed) for (const point of points) point.front = able.includes(point) && !able.some((other) => beyond(other, point));
  scatter.show(points, { x: axes.xname, y: axes.yname });
  legend(points);
  $("uncounted").textContent = uncountedText(points);
  $("uncounted").hidden = counted.length === points.length;
  $("undrawn").hidden = !undrawn.length;
  $("undrawn").textContent = undrawn.length ? `Not drawn: ${undrawn.join(", ")}.` : "";
}

// Why there is no front, or which points are on none.
function uncountedText(points) {
  const statuses = new Set(points.filter((point) => point.uncounted).map((point) => point.uncounted));
  const why = [...statuses].map(meant).join("; ");
  return `${points.every((point) => point.uncounted) ? "No Pareto front, for no row of this cell counts" : "Greyed points do not count, and are on no front"} (${why}).`;
}

function pointOf(frame, row, xs, ys, x, y) {
  const scaled = (name, scale) => { const value = name ? frame.at(row.row, name) : null; return value === null ? null : value * scale; };
  const origin = originOf(frame, row.row), status = frame.at(row.row, "status");
  const said = view.cell ? [status, frame.at(row.row, "flags")] : remarks(frame, row.row);
  const front = isFront(frame, row.row), partial = frame.at(row.row, "partial") === true;
  const uncounted = counts(frame, row.row) ? "" : status;
  const doubted = !uncounted && (origin === "mismatching" || status === "degenerate");
  const extra = [["rank", "privacy_rank"], ["bits", "bits"]].map(([label, name]) => {
    const column = (view.cell ? meta.cell : meta.standing).find((each) => each.column === name);
    return column ? `${label} ${told(frame, row.row, column)}` : "";
  });
  const lines = [
    `${xs.label} ${told(frame, row.row, xs)}`, `${ys.label} ${told(frame, row.row, ys)}`, ...extra,
    [front && !view.mixed ? "on the front" : "", origin, ...said].filter(Boolean).join(", "),
  ].filter(Boolean);
  return {
    name: row.name, x: x * xs.scale, y: y * ys.scale, front, partial, doubted, uncounted, lines,
    shape: SHAPES[origin] ? origin : "unverified",
    reach: [scaled(xs.low, xs.scale), scaled(xs.high, xs.scale), scaled(ys.low, ys.scale), scaled(ys.high, ys.scale)],
  };
}

function legend(points) {
  const item = (text, classes, shape) => element("li", {}, drawn("svg", { viewBox: "0 0 18 14", "aria-hidden": "true" }, drawn("path", { class: classes, d: shape })), text);
  const made = [];
  if (points.some((point) => point.front)) made.push(item("Pareto front", "front", "M0 4H8V11H18"));
  for (const shape of Object.keys(SHAPES)) if (points.some((point) => point.shape === shape)) made.push(item(shape, "point", SHAPES[shape](9, 7)));
  if (points.some((point) => point.partial)) made.push(item("partial: lacks cells", "point partial", SHAPES["built-in"](9, 7)));
  if (points.some((point) => point.doubted)) made.push(item("useless or mismatching", "point doubted", SHAPES["built-in"](9, 7)));
  if (points.some((point) => point.uncounted)) made.push(item("does not count", "point uncounted", SHAPES["built-in"](9, 7)));
  $("legend").replaceChildren(...made);
}

const THEMES = { "": "as the system", light: "light", dark: "dark" };

function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  $("theme").textContent = "Theme: " + THEMES[name];
}

function remembered() {
  try {
    return localStorage.getItem("molmis-theme") || "";
  } catch {
    return ""; // a page opened from a file may have no storage
  }
}

$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES), now = document.documentElement.dataset.theme || "";
  const next = names[(names.indexOf(now) + 1) % names.length];
  theme(next);
  try {
    localStorage.setItem("molmis-theme", next);
  } catch {
    // it is forgotten when the page is closed
  }
});
$("controls").addEventListener("submit", (event) => event.preventDefault());
for (const name of ["search", "bits"]) $(name).addEventListener("input", () => apply());
for (const name of ["origin", "front", "complete"]) $(name).addEventListener("change", () => apply());
$("search").addEventListener("change", () => go({ q: $("search").value }));
$("scope").addEventListener("change", () => go({ scope: $("scope").value, cell: null }));
$("task").addEventListener("change", () => go({ task: $("task").value, cell: null }));
$("cell").addEventListener("change", () => go({ cell: $("cell").value }));
$("clear").addEventListener("click", () => {
  for (const name of ["origin", "bits"]) $(name).value = "";
  for (const name of ["front", "complete"]) $(name).checked = false;
  go({ q: null });
  apply();
});
$("detail").addEventListener("close", () => { if (read().quantizer) go({ quantizer: null }); });
for (const button of document.querySelectorAll("[data-download]")) {
  button.addEventListener("click", () => {
    const name = button.dataset.download;
    if (name !== "shown") save(meta.files[name], tables[name].csv());
    else save("shown.csv", view.frame.csv(table.rows.filter((row) => row.shown).map((row) => row.row)));
  });
}
let resized = 0;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => table.fit(), 200);
});
addEventListener("popstate", follow);
addEventListener("hashchange", follow);
theme(remembered() in THEMES ? remembered() : "");
follow();
