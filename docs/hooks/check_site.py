"""The built site is whole: every link and anchor inside it leads somewhere, and nothing is fetched from outside."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mkdocs.exceptions import PluginError

FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The ids of one page, where it links to, and what it fetches from other hosts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.foreign: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        self.links += [found[name] for name in ("href", "src") if name in found]
        fetched = found.get(FETCHED.get(tag, ""), "")
        if urlsplit(fetched).netloc and found.get("rel") != "canonical":
            self.foreign.append(fetched)


def on_post_build(config: Any) -> None:
    """Fail the build with every fault, a line each."""
    site = Path(config.site_dir)
    pages = {path: Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}
    faults = [
        f"{path.relative_to(site)}: {fault}" for path, page in pages.items() for fault in _faults(path, page, pages)
    ]
    if faults:
        raise PluginError("the site is not whole:\n" + "\n".join(faults))


def _faults(path: Path, page: Page, pages: dict[Path, Page]) -> list[str]:
    faults = [f"fetches {address}" for address in page.foreign]
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.exists():
            faults.append(f"leads to nothing: {link}")
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
            faults.append(f"leads to no such heading: {link}")
    return faults
