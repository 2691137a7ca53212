// Rows that are drawn before the first frame of a table; the others follow frame by frame.
const FIRST = 60;

// A table that is sorted by its headings. Rows are made once and put in order. It is first laid out as a table,
// which takes long for many rows; then it is held: every row is a box of its own, of the widths and the height
// that it has, and the browser lays out and paints those in sight alone. All stay in the document, so they are
// searched, read aloud and copied; roles say what they are, however they are laid out.
class Table {
  constructor(box, caption, announce) {
    Object.assign(this, { box, announce, rows: [], columns: [], held: false });
    this.body = element("tbody", { role: "rowgroup" });
    this.head = element("tr", { role: "row" });
    this.table = element("table", { role: "table" }, element("caption", { class: "sr" }, caption), element("thead", { role: "rowgroup" }, this.head), this.body);
    box.replaceChildren(this.table);
    this.by = null;
    this.down = false;
  }

  // rows: {key, cells: one Node a column, sort: one value a column, text: what is searched}
  fill(columns, rows, by, down) {
    this.columns = columns;
    this.rows = rows;
    this.head.replaceChildren(...columns.map((column, place) => this.heading(column, place)));
    for (const row of rows) row.element = element("tr", { "data-key": row.key, role: "row" }, ...row.cells);
    this.order(by, down);
  }

  heading(column, place) {
    const button = element("button", { type: "button", title: column.help }, column.label);
    button.addEventListener("click", () => {
      const first = column.larger;
      this.order(place, this.by === place ? !this.down : first);
      this.announce();
    });
    return element("th", { scope: "col", role: "columnheader", class: column.words ? (column.kind === "name" ? "words name" : "words") : null }, button);
  }

  order(by, down) {
    this.by = by;
    this.down = down;
    const sign = down ? -1 : 1;
    this.rows.sort((one, two) => compared(one.sort[by], two.sort[by], sign) || compared(one.name, two.name, 1));
    this.draw();
    for (const [place, cell] of [...this.head.children].entries()) {
      cell.setAttribute("aria-sort", place === by ? (down ? "descending" : "ascending") : "none");
    }
  }

  // Draw the rows that pass, in their order; before the table is held the first of them now, the others after
  // the next frames.
  draw() {
    this.turn = (this.turn || 0) + 1;
    this.drawn = this.rows.filter((row) => row.shown !== false);
    if (this.held) return this.body.replaceChildren(...this.drawn.map((row) => row.element));
    this.body.replaceChildren();
    this.place(0, this.turn);
  }

  // Put rows into the table from a place on; after the next frame twice as many.
  place(from, turn) {
    if (turn !== this.turn) return; // sorted or filtered again meanwhile
    const to = Math.max(FIRST, 3 * from);
    this.body.append(...this.drawn.slice(from, to).map((row) => row.element));
    if (to < this.drawn.length) requestAnimationFrame(() => setTimeout(() => this.place(to, turn)));
    else if (this.drawn.length === this.rows.length && from > 0) this.hold();
  }

  lines() {
    return [this.head, ...this.rows.map((row) => row.element)];
  }

  // Keep the columns as wide, and the rows as high, as all rows make them.
  hold() {
    const wide = [...this.head.children].map((cell) => cell.getBoundingClientRect().width);
    const lines = this.lines(), high = lines.map((line) => Math.ceil(line.getBoundingClientRect().height));
    for (const [number, line] of lines.entries()) {
      line.style.height = high[number] + "px";
      for (const [place, cell] of [...line.children].entries()) cell.style.width = wide[place] + "px";
    }
    this.room = this.box.clientWidth;
    this.held = true;
    this.table.classList.add("held");
  }

  // Lay the table out anew where its box has another width.
  fit() {
    if (!this.held || this.box.clientWidth === this.room) return;
    this.held = false;
    this.table.classList.remove("held");
    for (const line of this.lines()) for (const each of [line, ...line.children]) each.removeAttribute("style");
    this.draw();
  }

  // Show the rows that pass.
  filter(passes) {
    const before = this.rows.map((row) => row.shown !== false);
    for (const row of this.rows) row.shown = passes(row);
    if (this.rows.some((row, place) => row.shown !== before[place])) this.draw();
  }

  sorted() {
    return this.by === null ? "" : `sorted by ${this.columns[this.by].label}, ${this.down ? "descending" : "ascending"}`;
  }
}

const collator = new Intl.Collator("en", { numeric: true });

// What is missing comes last, whichever way it is sorted.
function compared(one, two, sign) {
  if (one === null || two === null) return (one === null) - (two === null);
  if (typeof one === "string") return sign * collator.compare(one, two);
  return sign * (one < two ? -1 : one > two ? 1 : 0);
}

// One row of a table of quantizers: its cells, what they are sorted by, and the words that are searched.
function rowOf(frame, row, columns, open) {
  const name = String(frame.at(row, "quantizer"));
  const made = { key: name, name, row, cells: [], sort: [], words: [name, frame.at(row, "source"), frame.at(row, "author")] };
  for (const column of columns) {
    const [cell, sort, words] = CELLS[column.kind](frame, row, column, open);
    made.cells.push(cell);
    made.sort.push(sort);
    made.words.push(...(words || []));
  }
  made.text = made.words.filter(Boolean).join(" ").toLowerCase();
  return made;
}

const CELLS = {
  number(frame, row, column) {
    const value = frame.at(row, column.column);
    const sort = typeof value === "boolean" ? Number(value) : value;
    if (value === null) return [element("td", { role: "cell" }, element("span", { "aria-hidden": "true" }, "–"), element("span", { class: "sr" }, "none")), null];
    const reach = column.low ? interval(frame.at(row, column.low), frame.at(row, column.high), column) : "";
    return [element("td", { role: "cell" }, figure(value, column), reach ? element("small", {}, reach) : null), sort];
  },
  name(frame, row, column, open) {
    const name = String(frame.at(row, column.column));
    const button = element("button", { type: "button", class: "link" }, element("bdi", {}, name));
    button.addEventListener("click", () => open(name));
    const author = frame.at(row, "author");
    return [element("th", { scope: "row", role: "rowheader" }, button, author ? element("small", {}, "by ", element("bdi", {}, author)) : null), name];
  },
  origin(frame, row) {
    const said = originOf(frame, row);
    const source = frame.at(row, "source");
    const named = source && source !== said ? element("small", {}, element("bdi", {}, source)) : null;
    return [element("td", { role: "cell", class: "words" }, word(said), named), said, [said]];
  },
  standing(frame, row) {
    const said = remarks(frame, row);
    const shown = said.length ? said.map((text) => word(text, "warn")) : [word("complete", "plain")];
    return [element("td", { role: "cell", class: "words" }, ...shown), said.length, said.length ? said : ["complete"]];
  },
  status(frame, row, column) {
    const said = String(frame.at(row, column.column) ?? "");
    const flags = frame.at(row, "flags") || "";
    const front = isFront(frame, row) ? word("front", "good") : null;
    return [element("td", { role: "cell", class: "words" }, word(said), front, flags ? element("small", {}, element("bdi", {}, flags)) : null), said, [said, flags, front ? "front" : ""]];
  },
};
