// The grid of cameras, and one camera large.
import { clock, duration, element, empty, replace } from "./dom.js";
import { Recent } from "./events.js";
import { Picture } from "./picture.js";

const WORDS = { connecting: "Connecting", live: "Live", stale: "Stale", ended: "Ended", failed: "Failed" };

// A frame with its picture, its name and how it is; `show` takes each new status.
class Tile {
  constructor(name, { large = false } = {}) {
    this.picture = new Picture(name);
    this.badge = element("p", { className: "badge", hidden: true });
    this.state = element("span", { className: "state" });
    this.figures = element("span", { className: "figures" });
    this.why = element("p", { className: "why", hidden: true });
    const frame = element("div", { className: "frame" }, this.picture.image, this.badge);
    const caption = element("figcaption", {}, element("span", { className: "name" }, name), this.state, this.figures);
    this.root = element("figure", { className: large ? "tile large" : "tile", data: { camera: name } }, frame, caption);
    if (large) this.root.append(this.why);
    this.large = large;
  }

  show(camera) {
    const fine = camera.state === "live";
    const age = camera.last_frame_age;
    this.root.dataset.state = camera.state;
    this.state.textContent = WORDS[camera.state] ?? camera.state;
    this.state.title = camera.text ?? "";
    this.figures.textContent = fine ? figures(camera, this.large) : "";
    this.badge.hidden = fine;
    this.badge.textContent = fine ? "" : standing(camera, age);
    this.why.hidden = !camera.text || fine;
    this.why.textContent = camera.text ?? "";
  }
}

function figures(camera, large) {
  const age = camera.result_age === null ? "–" : `${Math.round(camera.result_age * 1000)} ms old`;
  const short = [`${camera.fps.toFixed(camera.fps < 10 ? 1 : 0)} FPS`, age];
  if (camera.dropped || large) short.push(`${camera.dropped.toLocaleString()} dropped`);
  if (large) short.push(`${camera.reconnects.toLocaleString()} reconnects`);
  return short.join(" · ");
}

function standing(camera, age) {
  if (camera.state === "ended") return "Ended";
  if (age === null) return camera.reason ? `No picture yet: ${camera.reason}` : "Waiting for the first picture";
  const since = `since ${clock(Date.now() / 1000 - age)} (${duration(age)})`;
  return camera.reason ? `No new picture ${since}: ${camera.reason}` : `No new picture ${since}`;
}

export class Grid {
  constructor(root) {
    this.tiles = new Map();
    this.grid = element("div", { className: "grid" });
    root.append(this.grid);
  }

  show(status) {
    if (status.cameras.length === 0) {
      replace(this.grid, empty("No cameras", "Add [[streams]] with a name and a source to the configuration."));
      return;
    }
    this.grid.dataset.count = status.cameras.length;
    for (const camera of status.cameras) {
      if (!this.tiles.has(camera.name)) this.add(camera.name);
      this.tiles.get(camera.name).show(camera);
    }
  }

  add(name) {
    const tile = new Tile(name);
    this.tiles.set(name, tile);
    const link = element("a", { className: "open", href: `#/camera/${encodeURIComponent(name)}`, "aria-label": name });
    link.append(tile.root);
    this.grid.append(link);
  }

  close() {
    for (const tile of this.tiles.values()) tile.picture.close();
  }
}

export class Large {
  constructor(root, name) {
    this.name = name;
    this.tile = new Tile(name, { large: true });
    this.recent = new Recent(name);
    const draw = element("a", { href: `#/zones/${encodeURIComponent(name)}` }, "Draw a zone or line");
    root.append(element("p", { className: "path" }, element("a", { href: "#/" }, "← All cameras"), draw),
      this.tile.root, ...this.recent.nodes);
  }

  show(status) {
    const camera = status.cameras.find((each) => each.name === this.name);
    if (status.events) this.recent.look().catch(() => {}); // the page says when nobody answers
    if (camera) this.tile.show(camera);
    else replace(this.tile.root, empty("No such camera", `There is none named ${this.name}.`));
  }

  close() {
    this.tile.picture.close();
  }
}
