// The tables of the page: read when they are needed, and written as the very CSV that pandas writes.
const meta = JSON.parse(document.getElementById("meta").textContent);

function bytesOf(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes.buffer;
}

// A number as Python writes it: the shortest digits that are read as the same number.
function digits(x) {
  if (Number.isNaN(x)) return "";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0.0";
  const size = Math.abs(x);
  if (size >= 1e-4 && size < 1e16) {
    const text = String(x);
    return text.includes(".") ? text : text + ".0";
  }
  const [mantissa, exponent] = x.toExponential().split("e");
  return mantissa + "e" + exponent[0] + exponent.slice(1).padStart(2, "0");
}

function quoted(text) {
  return /[,"\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

const WRITTEN = {
  float: digits,
  int: (x) => (Number.isNaN(x) ? "" : String(x)),
  bool: (x) => (Number.isNaN(x) ? "" : x ? "True" : "False"),
  text: quoted,
};
const CODES = { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array };

class Column {
  constructor(told) {
    this.kind = told.kind;
    this.values = told.kind === "text" ? told.values : new Float64Array(bytesOf(told.numbers));
    this.codes = told.codes ? new CODES[told.bits](bytesOf(told.codes)) : null;
    this.none = told.codes ? 2 ** told.bits - 1 : -1;
    this.texts = null;
  }

  // What stands in a row; null where nothing does.
  at(row) {
    const place = this.codes ? this.codes[row] : row;
    if (place === this.none) return null;
    const value = this.values[place];
    if (this.kind === "text") return value;
    if (Number.isNaN(value)) return null;
    return this.kind === "bool" ? value !== 0 : value;
  }

  csv(row) {
    const write = WRITTEN[this.kind];
    if (!this.codes) return write(this.values[row]);
    if (this.texts === null) this.texts = Array.from(this.values, write);
    const place = this.codes[row];
    return place === this.none ? "" : this.texts[place];
  }
}

class Frame {
  constructor(told) {
    this.rows = told.rows;
    this.names = told.columns.map((column) => column.name);
    this.told = new Map(told.columns.map((column) => [column.name, column]));
    this.read = new Map();
  }

  has(name) {
    return this.told.has(name);
  }

  column(name) {
    if (!this.read.has(name)) this.read.set(name, new Column(this.told.get(name)));
    return this.read.get(name);
  }

  at(row, name) {
    return this.has(name) ? this.column(name).at(row) : null;
  }

  // The rows in which a column of text holds a value.
  where(name, value) {
    const column = this.column(name);
    const code = column.values.indexOf(value);
    const rows = [];
    if (code >= 0) for (let row = 0; row < this.rows; row++) if (column.codes[row] === code) rows.push(row);
    return rows;
  }

  // CSV as pieces of text: all rows, or those given.
  csv(rows) {
    const columns = this.names.map((name) => this.column(name));
    const pieces = [this.names.map(quoted).join(",") + "\n"];
    const count = rows ? rows.length : this.rows;
    let lines = [];
    for (let at = 0; at < count; at++) {
      const row = rows ? rows[at] : at;
      lines.push(columns.map((column) => column.csv(row)).join(","));
      if (lines.length === 5000 || at === count - 1) {
        pieces.push(lines.join("\n") + "\n");
        lines = [];
      }
    }
    return pieces;
  }
}

const tables = Object.fromEntries(Object.entries(meta.tables).map(([name, told]) => [name, new Frame(told)]));

function save(name, pieces) {
  const address = URL.createObjectURL(new Blob(pieces, { type: "text/csv;charset=utf-8" }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
