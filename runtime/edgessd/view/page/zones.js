// The zone editor: draw on a frame, get the text for the configuration, or have it written, renamed and deleted there.
import { Canvas } from "./canvas.js";
import { element, empty, replace } from "./dom.js";

const PAUSE_MS = 250;

export class Zones {
  constructor(root, camera) {
    this.root = root;
    this.wanted = camera ? decodeURIComponent(camera) : null;
  }

  show(status) {
    if (this.status) {
      this.status = status;
      this.others();
      return;
    }
    this.status = status;
    if (status.cameras.length === 0) replace(this.root, empty("No cameras", "There is nothing to draw on."));
    else this.build();
  }

  build() {
    this.canvas = new Canvas(() => this.changed());
    const names = this.status.cameras.map((camera) => camera.name);
    const field = (label, input, hint) => element("label", {}, label, input, hint ? element("small", {}, hint) : null);
    this.camera = element("select", { id: "zone-camera" }, ...names.map((name) => element("option", {}, name)));
    this.camera.value = names.includes(this.wanted) ? this.wanted : names[0];
    this.kinds = ["zone", "line"].map((kind) => element("button", { type: "button", data: { kind } },
      kind === "zone" ? "Zone" : "Line"));
    this.name = element("input", { id: "zone-name", placeholder: "entrance", maxLength: 100, autocomplete: "off" });
    this.classes = element("div", { className: "chips", id: "zone-classes" }, ...this.status.labels.map((label) =>
      element("label", {}, element("input", { type: "checkbox", value: label }), element("span", {}, label))));
    this.loiter = element("input", { id: "zone-loiter", type: "number", min: 1, step: 1, placeholder: "never" });
    this.loiterField = field("Loitering after seconds", this.loiter);
    this.undo = element("button", { type: "button" }, "Remove last point");
    this.clear = element("button", { type: "button" }, "Clear");
    this.renew = element("button", { type: "button" }, "New picture");
    this.hint = element("p", { className: "hint" });
    this.problem = element("p", { className: "wrong", id: "zone-problem", role: "alert", hidden: true });
    this.text = element("textarea", { id: "zone-text", readOnly: true, rows: 6, spellcheck: false,
      "aria-label": "Text for the configuration" });
    this.copy = element("button", { type: "button", className: "primary" }, "Copy");
    this.write = element("button", { type: "button", id: "zone-write", hidden: !this.status.may_write },
      "Write to the configuration");
    this.done = element("p", { className: "hint", id: "zone-done", role: "status" });
    this.kept = element("ul", { className: "kept", id: "zone-list", "aria-label": "In the configuration" });
    this.keptProblem = element("p", { className: "wrong", id: "zone-list-problem", role: "alert", hidden: true });
    this.picture = element("img", { alt: "The frame to draw on", draggable: false });
    this.none = element("p", { className: "badge", hidden: true }, "No picture of this camera yet");
    this.stage = element("div", { className: "stage" }, this.picture, this.canvas.root, this.none);
    const tools = element("div", { className: "row" }, this.undo, this.clear, this.renew);
    const form = element("div", { className: "card form" },
      field("Camera", this.camera),
      element("div", { className: "choice", role: "group", "aria-label": "What to draw" }, ...this.kinds),
      field("Name", this.name),
      element("fieldset", {}, element("legend", {}, "Classes that count; all where none is chosen"), this.classes),
      this.loiterField,
      this.problem,
      this.text,
      element("div", { className: "row" }, this.copy, this.write),
      this.done,
      this.keptProblem,
      this.kept);
    replace(this.root, element("div", { className: "editor" },
      element("section", { className: "canvas" }, this.stage, this.hint, tools), form));
    this.listen();
    this.choose("zone");
    this.frame();
  }

  listen() {
    this.camera.addEventListener("change", () => { this.canvas.set([]); this.frame(); });
    for (const button of this.kinds) button.addEventListener("click", () => this.choose(button.dataset.kind));
    for (const input of [this.name, this.classes, this.loiter]) {
      input.addEventListener("input", () => this.changed());
    }
    this.undo.addEventListener("click", () => this.canvas.set(this.canvas.points.slice(0, -1)));
    this.clear.addEventListener("click", () => this.canvas.set([]));
    this.renew.addEventListener("click", () => this.frame());
    this.picture.addEventListener("load", () => { this.none.hidden = true; this.canvas.draw(); });
    this.picture.addEventListener("error", () => { this.none.hidden = false; });
    this.copy.addEventListener("click", () => this.take());
    this.write.addEventListener("click", () => this.send(true));
  }

  choose(kind) {
    for (const button of this.kinds) button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    this.loiterField.hidden = kind === "line";
    this.canvas.kind = kind;
    this.canvas.set([]);
  }

  frame() {
    const camera = encodeURIComponent(this.camera.value);
    this.picture.src = `/still.jpg?camera=${camera}&plain=1&at=${Date.now()}`;
    this.others();
    this.change({});
  }

  others() {
    const camera = this.status.cameras.find((each) => each.name === this.camera?.value);
    if (!camera) return;
    const known = JSON.stringify([camera.zones, camera.lines]);
    if (known === this.known) return;
    this.known = known;
    this.canvas.others = { zones: camera.zones, lines: camera.lines };
    this.canvas.draw();
  }

  changed() {
    const { kind, points } = this.canvas;
    const enough = points.length >= (kind === "line" ? 2 : 3);
    this.undo.disabled = this.clear.disabled = points.length === 0;
    this.hint.textContent = enough
      ? kind === "line" ? "The arrow shows which way counts as in. Drag the points to move them."
        : "Drag points to move them. What counts is where an object stands: the middle of its lower edge."
      : kind === "line" ? "Click where the line starts, then where it ends."
        : "Click the corners of the zone, in the order in which one walks around it.";
    this.done.textContent = "";
    this.copy.disabled = this.write.disabled = true;
    this.text.value = "";
    this.problem.hidden = true;
    clearTimeout(this.timer);
    if (enough && this.name.value.trim()) this.timer = setTimeout(() => this.send(false), PAUSE_MS);
    else if (enough) this.done.textContent = "Give it a name.";
  }

  async send(write) {
    const body = {
      camera: this.camera.value, kind: this.canvas.kind, points: this.canvas.points, name: this.name.value.trim(),
      classes: [...this.classes.querySelectorAll(":checked")].map((box) => box.value),
      loiter: this.canvas.kind === "zone" ? Number(this.loiter.value) || null : null, write,
    };
    const number = (this.number = (this.number ?? 0) + 1);
    let told;
    try {
      const answer = await fetch("/api/regions", { method: "POST", body: JSON.stringify(body) });
      told = await answer.json();
    } catch {
      told = { error: "edgessd does not answer" };
    }
    if (number !== this.number) return; // it has changed meanwhile
    this.problem.hidden = !told.error;
    this.problem.textContent = told.error ?? "";
    if (told.error) return;
    this.text.value = told.text;
    this.copy.disabled = false;
    this.write.disabled = told.written;
    if (told.written) this.change({});
    this.done.textContent = told.written
      ? "Written. It counts from the next start of edgessd run."
      : `Paste it under [[streams]] of ${body.camera}.`;
  }

  // Renames or deletes what the file has, where asked to, and shows what it has then.
  async change(asked) {
    if (!this.status.may_write) return;
    const body = { camera: this.camera.value, ...asked };
    let told;
    try {
      const answer = await fetch("/api/regions/change", { method: "POST", body: JSON.stringify(body) });
      told = await answer.json();
    } catch {
      told = { error: "edgessd does not answer" };
    }
    if (body.camera !== this.camera.value) return;
    this.keptProblem.hidden = !told.error;
    this.keptProblem.textContent = told.error ?? "";
    if (told.error) return;
    if (asked.do) this.done.textContent = "Written. It counts from the next start of edgessd run.";
    this.kept.replaceChildren(...["zones", "lines"].flatMap((kind) => told[kind].map((name) => this.row(kind, name))));
  }

  row(kind, name) {
    const word = kind === "zones" ? "zone" : "line";
    const input = element("input", { value: name, maxLength: 100, autocomplete: "off", "aria-label": `Name of ${word} ${name}` });
    const rename = element("button", { type: "button", disabled: true }, "Rename");
    const remove = element("button", { type: "button" }, "Delete");
    input.addEventListener("input", () => { rename.disabled = !input.value.trim() || input.value.trim() === name; });
    rename.addEventListener("click", () => this.change({ do: "rename", kind, name, to: input.value.trim() }));
    remove.addEventListener("click", () => {
      if (remove.classList.contains("wrong")) this.change({ do: "delete", kind, name });
      remove.classList.add("wrong");
      remove.textContent = "Really delete";
    });
    return element("li", { className: "row", data: { kind, name } }, input, rename, remove);
  }

  async take() {
    this.text.select();
    try {
      await navigator.clipboard.writeText(this.text.value);
    } catch { // a page without https may not; the text is selected
      document.execCommand("copy");
    }
    this.done.textContent = "Copied.";
  }

  close() {
    clearTimeout(this.timer);
  }
}
