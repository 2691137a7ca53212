// How anything is shown: numbers by one rule, words for what must be known, elements without markup.
const SVG = "http://www.w3.org/2000/svg";

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function element(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function drawn(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

// The one rule of numbers: so many decimals as the column has, times its scale, thousands set apart.
function figure(value, shown) {
  if (value === null) return "–";
  if (typeof value !== "number") return String(value);
  const scaled = value * shown.scale;
  if (!Number.isFinite(scaled)) return scaled > 0 ? "∞" : "−∞";
  let text = Math.abs(scaled).toFixed(shown.decimals);
  if (Number(text) >= 1000) {
    const [whole, part] = text.split(".");
    text = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part ? "." + part : "");
  }
  return (scaled < 0 && Number(text.replaceAll(",", "")) !== 0 ? "−" : "") + text + shown.unit;
}

function interval(low, high, shown) {
  if (low === null && high === null) return "";
  const plain = { ...shown, unit: "" };
  return "[" + figure(low, plain) + ", " + figure(high, plain) + "]";
}

// Value and interval of a column in one text.
function told(frame, row, shown) {
  const value = frame.at(row, shown.column);
  const reach = shown.low ? interval(frame.at(row, shown.low), frame.at(row, shown.high), shown) : "";
  return value === null || !reach ? figure(value, shown) : figure(value, shown) + " " + reach;
}

const TONE = {
  verified: "good", mismatching: "bad", unverified: "warn", "built-in": "plain", local: "plain",
  counted: "plain", flagged: "warn", confounded: "bad", degenerate: "bad", "float32 without skill": "bad",
};

function word(text, tone) {
  return element("span", { class: "word " + (tone || TONE[text] || "warn") }, text);
}

function originOf(frame, row) {
  const source = frame.at(row, "source");
  return frame.at(row, "verified") || (source === null || source === "built-in" ? "built-in" : source === "local" ? "local" : "unverified");
}

// Whether what stands in a row counts at all; an entry is a row of counts and always does.
function counts(frame, row) {
  return !meta.uncounted.includes(frame.at(row, "status"));
}

// Whether a row is on the Pareto front: none is where nobody's figures count, whatever its file says.
function isFront(frame, row) {
  return frame.has("pareto_layer") ? frame.at(row, "pareto_layer") === 1 : frame.at(row, "pareto") === true && counts(frame, row);
}

// A status and what it says.
function meant(status) {
  return meta.meaning[status] ? `${status}: ${meta.meaning[status]}` : status;
}

// What must be known of an entry before its figures are used; nothing where it is complete.
function remarks(frame, row) {
  const found = [];
  if (frame.at(row, "partial")) {
    const ranked = frame.at(row, "ranked_cells"), all = frame.at(row, "block_cells");
    found.push(ranked === null ? "partial" : `partial: ${ranked} of ${all} cells`);
  }
  for (const [name, words] of Object.entries(meta.counts)) {
    const count = frame.at(row, name);
    if (count) found.push(words.replace("{n}", count));
  }
  return found;
}
