// A frame on which somebody draws a polygon or a line: points in fractions of the frame, moved by pointer or keys.
const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.005;

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export class Canvas {
  // changed: called after every change of the points.
  constructor(changed) {
    this.changed = changed;
    this.kind = "zone";
    this.points = [];
    this.others = { zones: [], lines: [] };
    this.root = svg("svg", { class: "drawing", viewBox: "0 0 1600 900" });
    this.root.addEventListener("pointerdown", (event) => this.begin(event));
    this.root.addEventListener("pointermove", (event) => this.move(event));
    this.root.addEventListener("pointerup", () => (this.held = null));
    this.root.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  begin(event) {
    if (event.button !== 0) return;
    const at = event.target.dataset?.point;
    if (at === undefined) {
      if (this.kind === "line" && this.points.length === 2) return;
      this.points.push(this.place(event));
      this.held = this.points.length - 1;
    } else {
      this.held = Number(at);
    }
    this.root.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.update(this.held);
  }

  move(event) {
    if (this.held === null || this.held === undefined) return;
    this.points[this.held] = this.place(event);
    this.update(this.held);
  }

  key(event) {
    const at = event.target.dataset?.point;
    if (at === undefined) return;
    const [x, y] = this.points[at];
    const ways = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key === "Delete" || event.key === "Backspace") this.points.splice(at, 1);
    else if (ways[event.key]) this.points[at] = [clip(x + ways[event.key][0]), clip(y + ways[event.key][1])];
    else return;
    event.preventDefault();
    this.update(Math.min(at, this.points.length - 1));
  }

  place(event) {
    const frame = this.root.getBoundingClientRect();
    return [clip((event.clientX - frame.left) / frame.width), clip((event.clientY - frame.top) / frame.height)];
  }

  update(focused) {
    this.draw();
    this.root.querySelector(`[data-point="${focused}"]`)?.focus({ preventScroll: true });
    this.changed();
  }

  set(points) {
    this.points = points;
    this.draw();
    this.changed();
  }

  draw() {
    const { width, height } = this.root.getBoundingClientRect();
    if (!width) return;
    this.root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const pixels = (points) => points.map(([x, y]) => [x * width, y * height]);
    const path = (points) => pixels(points).map((point) => point.join(",")).join(" ");
    const drawn = [
      ...this.others.zones.map((zone) => svg("polygon", { class: "other", points: path(zone.points) })),
      ...this.others.lines.map((line) => svg("polyline", { class: "other", points: path(line.points) })),
    ];
    const open = this.kind === "line" || this.points.length < 3;
    drawn.push(svg(open ? "polyline" : "polygon", { class: "own", points: path(this.points) }));
    if (this.kind === "line" && this.points.length === 2) drawn.push(...arrow(pixels(this.points)));
    pixels(this.points).forEach(([x, y], index) => {
      const label = `Point ${index + 1}; arrow keys move it, Delete removes it`;
      const dot = { class: "point", cx: x, cy: y, r: 8, tabindex: 0, role: "button", "aria-label": label };
      drawn.push(svg("circle", { class: "grip", cx: x, cy: y, r: 22, "data-point": index }));
      drawn.push(svg("circle", { ...dot, "data-point": index }));
    });
    this.root.replaceChildren(...drawn);
  }
}

// The direction "in": to the right of the way from the first point to the second.
function arrow([[x1, y1], [x2, y2]]) {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [along, across] = [(x2 - x1) / length, (y2 - y1) / length];
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const at = (right, ahead) => `${x - across * right + along * ahead},${y + along * right + across * ahead}`;
  const text = svg("text", { class: "way", x: x - across * 56, y: y + along * 56 + 5, "text-anchor": "middle" }, "in");
  return [svg("polyline", { class: "own", points: `${at(0, 0)} ${at(36, 0)}` }),
    svg("polyline", { class: "own", points: `${at(28, -8)} ${at(38, 0)} ${at(28, 8)}` }), text];
}

function clip(value) {
  return Math.min(1, Math.max(0, value));
}
