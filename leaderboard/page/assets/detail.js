// The detail of one quantizer: what it is, what it costs, how it stands, in every cell and against every other.
const AT_ONCE = 200;

function described(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== "");
  return element("dl", {}, ...shown.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]));
}

function showDetail(dialog, name, scope, close, go) {
  const title = element("h2", { id: "detail-title", tabindex: -1 }, element("bdi", {}, name));
  const shut = element("button", { type: "button" }, "Close");
  shut.addEventListener("click", close);
  const body = element("div", { class: "detail-body" });
  const entry = tables.entries.where("quantizer", name).find((row) => scope === null || tables.entries.at(row, "scope") === scope);
  const cells = tables.long.where("quantizer", name).filter((row) => scope === null || tables.long.at(row, "scope") === scope);
  if (entry !== undefined) body.append(element("p", {}, ...wordsOf(entry)));
  body.append(
    element("div", { class: "columns" }, element("div", {}, ...what(name)), element("div", {}, ...curve(name))),
    element("h3", {}, "Cost"), cost(cells),
  );
  if (entry !== undefined) body.append(element("h3", {}, "Standing over all cells"), standing(entry));
  body.append(element("h3", {}, `In each of its ${cells.length} cells`), ranks(cells, go));
  const duels = tables.wins.where("quantizer", name).filter((row) => scope === null || tables.wins.at(row, "scope") === scope);
  if (duels.length) body.append(element("h3", {}, "Against every other"), against(duels));
  dialog.replaceChildren(element("div", { class: "detail-head" }, title, shut), body);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  title.focus();
}

function wordsOf(row) {
  const frame = tables.entries, author = frame.at(row, "author"), source = frame.at(row, "source");
  const made = [word(originOf(frame, row)), ...remarks(frame, row).map((text) => word(text, "warn"))];
  if (source && source !== originOf(frame, row)) made.push("submission ", element("bdi", {}, source), " ");
  if (author) made.push("by ", element("bdi", {}, author));
  return made;
}

function what(name) {
  const zoo = Object.hasOwn(meta.zoo, name) ? meta.zoo[name] : null;
  if (!zoo || !zoo.formula) return [element("h3", {}, "What it is"), element("p", {}, zoo ? zoo.remark : "Neither its formula nor its curve is known here.")];
  return [
    element("h3", {}, "What it is"),
    element("p", {}, zoo.text),
    described([
      ["formula", element("code", {}, element("bdi", {}, zoo.formula))],
      ["source", zoo.reference],
      ["configuration", zoo.configuration && element("code", {}, zoo.configuration)],
      ["records that it reads", { none: "none", public: "public ones", training: "members of the training set" }[zoo.calibration] || zoo.calibration],
    ]),
  ];
}

function curve(name) {
  const zoo = Object.hasOwn(meta.zoo, name) ? meta.zoo[name] : null;
  if (!zoo || !zoo.curve.length) return zoo && zoo.formula ? [element("h3", {}, "Curve"), element("p", {}, zoo.remark)] : [];
  const size = 240, edge = 30;
  const span = Math.max(1.1, ...zoo.curve.map(([, value]) => Math.abs(value) * 1.05));
  const x = (value) => edge + ((value + 1) / 2) * (size - edge - 8);
  const y = (value) => 8 + ((span - value) / (2 * span)) * (size - edge - 8);
  const path = zoo.curve.map(([weight, value]) => `M${x(weight).toFixed(1)} ${y(value).toFixed(1)}h.01`).join("");
  const levels = new Set(zoo.curve.map(([, value]) => value)).size;
  const said = `Weights from −1 to 1, spread evenly, against what becomes of them; ${levels} distinct values drawn.`;
  const svg = drawn("svg", { class: "curve", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": said });
  for (const value of [-1, 0, 1]) {
    svg.append(
      drawn("line", { class: "grid", x1: x(value), x2: x(value), y1: 8, y2: size - edge }),
      drawn("line", { class: "grid", x1: edge, x2: size - 8, y1: y(value), y2: y(value) }),
      drawn("text", { class: "tick", x: x(value), y: size - 10, "text-anchor": "middle" }, figure(value, { scale: 1, decimals: 0, unit: "" })),
      drawn("text", { class: "tick", x: edge - 6, y: y(value) + 4, "text-anchor": "end" }, figure(value, { scale: 1, decimals: 0, unit: "" })),
    );
  }
  svg.append(drawn("line", { class: "axis", x1: x(-1), y1: y(-1), x2: x(1), y2: y(1), "stroke-dasharray": "3 3" }), drawn("path", { d: path }));
  return [element("h3", {}, "Curve"), svg, element("p", { class: "quiet" }, said)];
}

function cost(cells) {
  const over = (name, shown) => {
    if (!tables.long.has(name)) return null;
    const values = cells.map((row) => tables.long.at(row, name)).filter((value) => value !== null);
    if (!values.length) return null;
    const low = figure(Math.min(...values), shown), high = figure(Math.max(...values), shown);
    return low === high ? low : `${low} to ${high}`;
  };
  const plain = { scale: 1, unit: "" };
  return described([
    ["bits per weight", over("bits", { ...plain, decimals: 2 })],
    ["entropy bits per weight", over("entropy_bits", { ...plain, decimals: 2 })],
    ["packed model, bytes", over("packed_bytes", { ...plain, decimals: 0 })],
    ["weights set to 0", over("zeros", { scale: 100, unit: "%", decimals: 1 })],
    ["parameters quantized", over("coverage", { scale: 100, unit: "%", decimals: 1 })],
  ]);
}

function standing(row) {
  const shown = meta.standing.filter((column) => column.kind === "number" && !["bits", "entropy_bits"].includes(column.column));
  const where = tables.entries.at(row, "smallest_mis_bound_in");
  const pairs = shown.map((column) => [column.label, tables.entries.at(row, column.column) === null ? null : told(tables.entries, row, column)]);
  return described([...pairs, ["least MIS ≤ in", where]]);
}

// The first rows of a table, and a button for more: a quantizer may have ten thousand cells.
function listed(caption, headings, rows, make) {
  const body = element("tbody");
  const more = element("button", { type: "button", class: "more" });
  const add = () => {
    body.append(...rows.slice(body.children.length, body.children.length + AT_ONCE).map(make));
    more.textContent = `Show more (${rows.length - body.children.length} left)`;
    more.hidden = body.children.length >= rows.length;
  };
  more.addEventListener("click", add);
  add();
  const cells = headings.map(([label, words]) => element("th", { scope: "col", class: words ? "words" : null }, element("span", {}, label)));
  const table = element("table", {}, element("caption", { class: "sr" }, caption), element("thead", {}, element("tr", {}, ...cells)), body);
  return element("div", {}, element("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: 0 }, table), more);
}

function ranks(cells, go) {
  const long = tables.long, columns = meta.ranks;
  const make = (row) => {
    const link = element("button", { type: "button", class: "link" }, element("bdi", {}, String(long.at(row, "task"))));
    link.addEventListener("click", () => go({ task: long.at(row, "task"), cell: long.at(row, "cell"), quantizer: null }));
    const which = ["encoder", "split", "seed"].map((name) => (name === "seed" ? `seed ${long.at(row, name)}` : long.at(row, name))).join(" · ");
    const head = element("th", { scope: "row" }, link, element("small", {}, element("bdi", {}, which)));
    return element("tr", {}, head, ...columns.map((column) => CELLS[column.kind](long, row, column)[0]));
  };
  return listed("Ranks and figures in every cell", [["task and cell", true], ...columns.map((column) => [column.label, column.words])], cells, make);
}

function against(rows) {
  const wins = tables.wins, share = { scale: 100, decimals: 1, unit: "%", column: "" };
  const order = [...rows].sort((one, two) => compared(wins.at(one, "privacy_win_rate"), wins.at(two, "privacy_win_rate"), -1));
  const make = (row) => element(
    "tr", {}, element("th", { scope: "row" }, element("bdi", {}, String(wins.at(row, "opponent")))),
    ...["privacy_win_rate", "performance_win_rate"].map((name) => element("td", {}, figure(wins.at(row, name), share))),
    element("td", {}, figure(wins.at(row, "privacy_cells"), { scale: 1, decimals: 0, unit: "" })),
  );
  return listed("Share of cells in which it is better than another", [["opponent", true], ["more private in"], ["performs better in"], ["cells of both"]], order, make);
}
