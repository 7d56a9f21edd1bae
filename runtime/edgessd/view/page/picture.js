// A camera's picture that lives only while it can be seen. A browser opens six connections to a host, in all tabs
// together, so at most four pictures are live; the others are renewed every second.
import { element } from "./dom.js";

const MOST_LIVE = 4;
const AGAIN_MS = 2000;
const STILL_MS = 1000;
const pictures = new Set();

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) entry.target.picture.visible = entry.isIntersecting;
  share();
}, { rootMargin: "100px" });
document.addEventListener("visibilitychange", share);

function share() {
  let live = 0;
  for (const picture of pictures) {
    const shown = picture.visible && !document.hidden;
    picture.become(!shown ? "off" : live < MOST_LIVE ? "live" : "stills");
    live += shown ? 1 : 0;
  }
}

export class Picture {
  constructor(camera) {
    this.camera = camera;
    this.visible = false;
    this.mode = "off";
    this.image = element("img", { className: "picture", alt: `Camera ${camera}`, decoding: "async" });
    this.image.picture = this;
    this.image.addEventListener("load", () => this.image.classList.add("there"));
    this.image.addEventListener("error", () => this.again());
    pictures.add(this);
    seen.observe(this.image);
  }

  become(mode) {
    if (mode === this.mode) return;
    this.mode = mode;
    this.renew();
  }

  // Ask anew: after a change of mode, and when the server was away.
  renew() {
    clearTimeout(this.timer);
    if (this.mode === "off") {
      // Only another source ends the connection of a live picture; a copy of the last one stays.
      this.image.removeAttribute("src");
      return;
    }
    const path = this.mode === "live" ? "/live.mjpeg" : "/still.jpg";
    this.image.src = `${path}?camera=${encodeURIComponent(this.camera)}&at=${Date.now()}`;
    if (this.mode === "stills") this.timer = setTimeout(() => this.renew(), STILL_MS);
  }

  again() {
    if (this.mode === "off" || !this.image.getAttribute("src")) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.renew(), AGAIN_MS);
  }

  close() {
    this.become("off");
    pictures.delete(this);
    seen.unobserve(this.image);
    share();
  }
}

export function renewAll() {
  for (const picture of pictures) picture.renew();
}
