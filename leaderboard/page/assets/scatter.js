// The scatter: one point a quantizer, the Pareto front as stairs, hover and keyboard.
class Scatter {
  constructor(box, open) {
    Object.assign(this, { box, open, points: [], active: null });
    this.tip = element("div", { id: "tip", role: "tooltip", hidden: true });
    box.append(this.tip);
    new ResizeObserver(() => { if (box.clientWidth !== this.width) this.draw(); }).observe(box);
  }

  // points: {name, x, y, reach: [xlow, xhigh, ylow, yhigh], front, partial, doubted, uncounted, shape, lines}
  show(points, axes) {
    this.points = points.sort((one, two) => one.x - two.x || one.y - two.y);
    this.axes = axes;
    this.draw();
  }

  draw() {
    const width = (this.width = this.box.clientWidth);
    if (!this.axes || width < 50) return;
    const narrow = width < 560;
    const height = narrow ? 340 : 440;
    const frame = { left: 58, right: width - 16, top: 18, bottom: height - 48 };
    const x = scaleOf(this.points.map((point) => point.x), frame.left, frame.right);
    const y = scaleOf(this.points.map((point) => point.y), frame.bottom, frame.top);
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": `Scatter of ${this.axes.y} against ${this.axes.x}, ${this.points.length} points`, "aria-describedby": "scatter-help" });
    this.hide();
    svg.append(...this.ground(frame, x, y, narrow ? 4 : 8), ...this.reaches(x, y), ...this.stairs(frame, x, y));
    this.places = this.points.map((point) => [x.at(point.x), y.at(point.y)]);
    this.marks = this.points.map((point, place) => this.mark(point, place));
    svg.append(...this.marks, ...this.labels(frame));
    const old = this.box.querySelector("svg");
    if (old) old.replaceWith(svg);
    else this.box.prepend(svg);
  }

  ground(frame, x, y, count) {
    const made = [];
    for (const value of x.ticks(count)) {
      const at = x.at(value);
      made.push(drawn("line", { class: "grid", x1: at, x2: at, y1: frame.top, y2: frame.bottom }));
      made.push(drawn("text", { class: "tick", x: at, y: frame.bottom + 17, "text-anchor": "middle" }, x.text(value)));
    }
    for (const value of y.ticks(6)) {
      const at = y.at(value);
      made.push(drawn("line", { class: "grid", x1: frame.left, x2: frame.right, y1: at, y2: at }));
      made.push(drawn("text", { class: "tick", x: frame.left - 7, y: at + 4, "text-anchor": "end" }, y.text(value)));
    }
    const middle = (frame.left + frame.right) / 2, centre = (frame.top + frame.bottom) / 2;
    made.push(drawn("text", { class: "axis-name", x: middle, y: frame.bottom + 38, "text-anchor": "middle" }, this.axes.x + " →"));
    made.push(drawn("text", { class: "axis-name", x: 14, y: centre, "text-anchor": "middle", transform: `rotate(-90 14 ${centre})` }, this.axes.y + " →"));
    return made;
  }

  reaches(x, y) {
    if (this.points.length > 60) return [];
    return this.points.flatMap((point) => this.reach(point, x, y));
  }

  reach(point, x, y) {
    const [left, right, low, high] = point.reach;
    const made = [];
    if (known(left, right)) made.push(drawn("line", { class: "reach", x1: x.within(left), x2: x.within(right), y1: y.at(point.y), y2: y.at(point.y) }));
    if (known(low, high)) made.push(drawn("line", { class: "reach", x1: x.at(point.x), x2: x.at(point.x), y1: y.within(low), y2: y.within(high) }));
    return made;
  }

  stairs(frame, x, y) {
    const own = this.points.filter((point) => point.front); // partial entries may stand below others of it
    const front = own.filter((point) => !own.some((other) => beyond(other, point)));
    if (!front.length) return [];
    let path = `M${frame.left} ${y.at(front[0].y)}`;
    for (const [place, point] of front.entries()) {
      path += `H${x.at(point.x)}`;
      path += place + 1 < front.length ? `V${y.at(front[place + 1].y)}` : `V${frame.bottom}`;
    }
    return [drawn("path", { class: "front", d: path })];
  }

  mark(point, place) {
    const [x, y] = this.places[place];
    const names = ["point", point.front && "on-front", point.partial && "partial", point.doubted && "doubted", point.uncounted && "uncounted"];
    const made = drawn("path", {
      class: names.filter(Boolean).join(" "), d: SHAPES[point.shape](x, y), role: "button", tabindex: place === 0 ? 0 : -1,
      "aria-label": `${point.name}: ${point.lines.join("; ")}`, "data-name": point.name,
    });
    made.addEventListener("pointerenter", () => this.tell(place));
    made.addEventListener("pointerleave", () => this.hide());
    made.addEventListener("focus", () => this.tell(place));
    made.addEventListener("blur", () => this.hide());
    made.addEventListener("click", () => this.open(point.name));
    made.addEventListener("keydown", (event) => this.key(event, place));
    return made;
  }

  key(event, place) {
    const last = this.points.length - 1;
    const to = { ArrowRight: place + 1, ArrowUp: place + 1, ArrowLeft: place - 1, ArrowDown: place - 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter" || event.key === " ") this.open(this.points[place].name);
    else if (event.key === "Escape") this.hide();
    else if (to !== undefined) {
      const next = Math.min(Math.max(to, 0), last);
      this.marks[place].setAttribute("tabindex", -1);
      this.marks[next].setAttribute("tabindex", 0);
      this.marks[next].focus();
    } else return;
    event.preventDefault();
  }

  tell(place) {
    const point = this.points[place], [x, y] = this.places[place];
    this.tip.replaceChildren(element("strong", {}, element("bdi", {}, point.name)), ...point.lines.map((line) => element("span", {}, line)));
    this.tip.hidden = false;
    const left = Math.min(Math.max(x - this.tip.offsetWidth / 2, 4), this.width - this.tip.offsetWidth - 4);
    const above = y - this.tip.offsetHeight - 12;
    this.tip.style.left = left + "px";
    this.tip.style.top = (above > 4 ? above : y + 14) + "px";
  }

  hide() {
    this.tip.hidden = true;
  }

  // Names of the front and, where there is room, of the others; none lies over another one or over a point.
  labels(frame) {
    const taken = this.places.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]), made = [];
    const order = this.points.map((_, place) => place).sort((one, two) => this.points[two].front - this.points[one].front);
    for (const place of order.slice(0, 60)) {
      const text = shortened(this.points[place].name), [x, y] = this.places[place], wide = text.length * 6.6;
      const spots = [[x + 8, y - 8, "start"], [x - 8, y - 8, "end"], [x + 8, y + 16, "start"], [x - 8, y + 16, "end"]];
      for (const [at, base, anchor] of spots) {
        const left = anchor === "start" ? at : at - wide;
        const own = [left, base - 11, left + wide, base + 3];
        if (own[0] < frame.left || own[2] > frame.right || own[1] < 2 || own[3] > frame.bottom) continue;
        if (taken.some((other) => own[0] < other[2] && own[2] > other[0] && own[1] < other[3] && own[3] > other[1])) continue;
        taken.push(own);
        made.push(drawn("text", { class: "label", x: at, y: base, "text-anchor": anchor, "aria-hidden": "true" }, text));
        break;
      }
    }
    return made;
  }
}

// Whether one point is at least as good as another in both, and better in one.
function beyond(one, other) {
  return one.x >= other.x && one.y >= other.y && (one.x > other.x || one.y > other.y);
}

function known(...values) {
  return values.every((value) => value !== null && Number.isFinite(value));
}

function shortened(name) {
  const signs = [...name];
  return signs.length > 24 ? signs.slice(0, 23).join("") + "…" : name;
}

const SHAPES = {
  "built-in": (x, y) => `M${x - 5.5} ${y}a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0Z`,
  verified: (x, y) => `M${x - 5} ${y - 5}h10v10h-10Z`,
  unverified: (x, y) => `M${x} ${y - 6.5}l6.5 11.5h-13Z`,
  local: (x, y) => `M${x} ${y - 6.5}l6.5 6.5l-6.5 6.5l-6.5 -6.5Z`,
  mismatching: (x, y) => `M${x - 6} ${y - 3.5}l2.5 -2.5l3.5 3.5l3.5 -3.5l2.5 2.5l-3.5 3.5l3.5 3.5l-2.5 2.5l-3.5 -3.5l-3.5 3.5l-2.5 -2.5l3.5 -3.5Z`,
};

// A linear axis with round ticks over the values, a little wider than they are.
function scaleOf(values, from, to) {
  let low = Math.min(...values), high = Math.max(...values);
  if (!values.length) [low, high] = [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  low -= room;
  high += room;
  const step = (count) => {
    const raw = (high - low) / count, base = 10 ** Math.floor(Math.log10(raw));
    return base * [1, 2, 5, 10].find((factor) => factor * base >= raw);
  };
  let decimals = 0;
  const at = (value) => Number((from + ((value - low) / (high - low)) * (to - from)).toFixed(2));
  return {
    at,
    within: (value) => at(Math.min(Math.max(value, low), high)),
    ticks(count) {
      const size = step(count), made = [];
      decimals = Math.max(0, -Math.floor(Math.log10(size) + 1e-9));
      for (let at = Math.ceil(low / size); at * size <= high; at++) made.push(at * size);
      return made;
    },
    text: (value) => figure(value, { scale: 1, decimals, unit: "" }),
  };
}
