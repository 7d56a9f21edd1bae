// Which page is shown, and the status that all of them show: asked for every second.
import { Events } from "./events.js";
import { Grid, Large } from "./live.js";
import { renewAll } from "./picture.js";
import { Zones } from "./zones.js";

const STATUS_MS = 1000;
const main = document.getElementById("main");
const lost = document.getElementById("lost");
let page = null;
let status = null;

const pages = [
  [/^#\/camera\/(.+)$/, (root, name) => new Large(root, decodeURIComponent(name))],
  [/^#\/events$/, (root) => new Events(root)],
  [/^#\/zones(?:\/(.+))?$/, (root, name) => new Zones(root, name)],
  [/^/, (root) => new Grid(root)],
];

function open() {
  page?.close();
  main.replaceChildren();
  for (const [pattern, make] of pages) {
    const found = pattern.exec(location.hash);
    if (!found) continue;
    page = make(main, ...found.slice(1));
    break;
  }
  mark();
  if (status) page.show(status);
}

function mark() {
  for (const link of document.querySelectorAll("#nav a")) {
    const part = location.hash.split("/")[1] ?? "";
    const name = part === "camera" ? "" : part;
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function ask() {
  try {
    const answer = await fetch("/api/status", { signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) location.assign("/login");
    if (!answer.ok) throw new Error(answer.statusText);
    status = await answer.json();
    if (!lost.hidden) renewAll();
    lost.hidden = true;
    document.title = document.getElementById("title").textContent = status.title;
    document.getElementById("logout").hidden = !status.login;
    page.show(status);
  } catch {
    lost.hidden = false;
  }
  setTimeout(ask, document.hidden ? 5 * STATUS_MS : STATUS_MS);
}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
addEventListener("hashchange", open);
open();
ask();
