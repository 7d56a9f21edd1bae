// What happened: tracks with their pictures, newest first, filtered by camera, class, zone and time.
import { clock, duration, element, empty, replace } from "./dom.js";

const PAGE = 24;
const LOOK_EVERY = 2; // statuses, which come every second
const SPANS = [["", "Any time"], ["3600", "Last hour"], ["86400", "Last 24 hours"], ["604800", "Last 7 days"]];

export class Events {
  constructor(root) {
    this.root = root;
    this.cards = new Map();
    this.ticks = 0;
  }

  show(status) {
    if (!this.built) this.build(status);
    if (status.events && this.ticks++ % LOOK_EVERY === 0) this.look();
  }

  build(status) {
    this.built = true;
    if (!status.events) {
      replace(this.root, empty("No events are kept", "Events are what tracked objects do. To keep them, add "
        + "track = true under [run], and a [[sinks]] with type = \"events\" and a path."));
      return;
    }
    this.fields = {};
    const choice = (id, label, options) => {
      const select = element("select", { id }, ...options.map(([value, text]) => element("option", { value }, text)));
      select.addEventListener("change", () => this.again());
      this.fields[id] = select;
      return element("label", {}, label, select);
    };
    this.grid = element("div", { className: "events" });
    this.none = element("div", { hidden: true });
    this.more = element("button", { type: "button", className: "more", hidden: true }, "Show earlier");
    this.more.addEventListener("click", () => this.earlier());
    this.dialog = new EventDialog();
    replace(this.root,
      element("form", { className: "filters" },
        choice("camera", "Camera", [["", "All"]]),
        choice("label", "Class", [["", "All"]]),
        choice("zone", "Zone", [["", "All"]]),
        choice("span", "Time", SPANS)),
      this.grid, this.none, this.more, this.dialog.root);
  }

  query(before) {
    const asked = new URLSearchParams({ limit: PAGE });
    for (const key of ["camera", "label", "zone"]) {
      if (this.fields[key]?.value) asked.set(key, this.fields[key].value);
    }
    if (this.fields.span.value) asked.set("since", Date.now() / 1000 - Number(this.fields.span.value));
    if (before) asked.set("before", before);
    return asked;
  }

  async ask(before) {
    const query = this.query(before);
    const filter = (this.filter ??= 0);
    const answer = await fetch(`/api/events?${query}`);
    if (!answer.ok) return null;
    const { events: found, choices } = await answer.json();
    this.offer("camera", choices.stream);
    this.offer("label", choices.label);
    this.offer("zone", choices.zone);
    return filter === this.filter ? found : null; // another filter was chosen meanwhile
  }

  // What there are events of, in a filter.
  offer(id, values) {
    const select = this.fields[id];
    const known = new Set([...select.options].map((option) => option.value));
    for (const value of values) if (!known.has(value)) select.append(element("option", { value }, value));
    select.parentElement.hidden = select.options.length < 2;
  }

  again() {
    this.filter = (this.filter ?? 0) + 1;
    this.cards.clear();
    this.grid.replaceChildren();
    this.none.hidden = this.more.hidden = true;
    this.look();
  }

  async look() {
    const found = await this.ask().catch(() => null);
    if (!found) return;
    const first = this.cards.size === 0;
    for (const event of found.toReversed()) this.put(event, true);
    if (first) this.more.hidden = found.length < PAGE;
    this.none.hidden = this.cards.size > 0;
    if (!this.none.hidden && !this.none.firstChild) {
      this.none.append(empty("Nothing here yet", "Events appear as soon as something is tracked. Another filter may "
        + "show earlier ones."));
    }
  }

  async earlier() {
    const last = [...this.cards.values()].at(-1);
    const found = await this.ask(last?.event.started).catch(() => null);
    if (!found) return;
    for (const event of found) this.put(event, false);
    this.more.hidden = found.length < PAGE;
  }

  put(event, newer) {
    const known = this.cards.get(event.id);
    if (known && JSON.stringify(known.event) === JSON.stringify(event)) return;
    const card = eventCard(event, this.dialog);
    if (known) known.root.replaceWith(card);
    else if (newer) this.grid.prepend(card);
    else this.grid.append(card);
    const entry = [event.id, { event, root: card }];
    this.cards = known || !newer ? this.cards.set(...entry) : new Map([entry, ...this.cards]);
  }

  close() {
    this.dialog?.root.close();
  }
}

// A track large, with all that is known of it.
class EventDialog {
  constructor() {
    this.root = element("dialog", { className: "event-large" });
    this.root.addEventListener("click", (event) => {
      if (event.target === this.root) this.root.close();
    });
  }

  show(event) {
    const crossed = event.crossings.map(({ line, direction }) => `${line} (${direction})`).join(", ");
    const rows = [["Camera", event.source], ["Began", clock(event.started)], ["Lasted", lasted(event)],
      ["Best score", event.best_score.toFixed(2)], ["Zones", event.entered.join(", ")], ["Crossed", crossed]];
    const close = element("button", { type: "button" }, "Close");
    close.addEventListener("click", () => this.root.close());
    replace(this.root, picture(event), element("div", { className: "facts" },
      element("h2", {}, `${event.label} ${event.track}`),
      element("dl", {}, ...rows.filter(([, value]) => value).flatMap(([key, value]) =>
        [element("dt", {}, key), element("dd", {}, value)])), close));
    this.root.showModal();
  }
}

// The newest tracks of one camera, below its picture.
export class Recent {
  constructor(camera) {
    this.camera = camera;
    this.title = element("h2", { className: "recent", hidden: true }, "Latest events");
    this.grid = element("div", { className: "events" });
    this.dialog = new EventDialog();
    this.nodes = [this.title, this.grid, this.dialog.root];
  }

  async look() {
    const answer = await fetch(`/api/events?${new URLSearchParams({ camera: this.camera, limit: 5 })}`);
    if (!answer.ok) return;
    const { events } = await answer.json();
    const known = JSON.stringify(events);
    if (known === this.known) return;
    this.known = known;
    this.title.hidden = events.length === 0;
    replace(this.grid, ...events.map((event) => eventCard(event, this.dialog)));
  }
}

function eventCard(event, dialog) {
  const card = element("button", { type: "button", className: "event", data: { event: event.id } },
    picture(event), element("span", { className: "what" }, event.label),
    element("span", { className: "when" }, clock(event.started)),
    element("span", { className: "where" }, where(event)),
    event.event === "end" ? null : element("span", { className: "now" }, "Now"));
  card.addEventListener("click", () => dialog.show(event));
  return card;
}

function picture(event) {
  if (!event.picture) return element("span", { className: "thumb none" }, "No picture");
  const src = `/event.jpg?id=${encodeURIComponent(event.id)}&frame=${event.best_frame}`;
  return element("img", { className: "thumb", src, loading: "lazy", alt: `${event.label} at ${event.source}` });
}

function lasted(event) {
  return event.event === "end" ? duration(event.last_seen - event.started) : "still there";
}

function where(event) {
  const crossed = event.crossings.map(({ line, direction }) => `${line} ${direction}`);
  return [event.source, ...event.entered, ...crossed].join(" · ");
}
