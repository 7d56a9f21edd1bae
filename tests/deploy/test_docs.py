"""The documentation as files: every page is found from the index, every link leads somewhere, one version everywhere.

`make docs` checks the built site, anchors and generated pages included.
"""

import re
import subprocess
from pathlib import Path

import pytest

from edgessd import __version__

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = {
    DOCS / name
    for name in ("howto/examples.md", "reference/cli.md", "reference/configuration.md", "reference/recipe-keys.md")
}
KINDS = ("tutorial", "howto", "reference", "explanation", "measurements")


def links(page: Path) -> list[Path]:
    """Return the files that a page links to, code blocks aside."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)#\s]+)", text)
    return [(page.parent / link).resolve() for link in found if "://" not in link]


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if not listed:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.splitlines()]


def test_every_link_leads_to_a_file(pages: list[Path]) -> None:
    dead = [(page.name, link.name) for page in pages for link in links(page) if not link.exists()]
    assert [found for found in dead if found[1] not in {path.name for path in GENERATED}] == []


def test_every_page_is_found_from_the_index(pages: list[Path]) -> None:
    seen, ahead = {DOCS / "README.md"}, [DOCS / "README.md"]
    while ahead:
        new = {link for link in links(ahead.pop()) if link.suffix == ".md" and link.is_relative_to(DOCS)} - seen
        seen |= new
        ahead += new - GENERATED
    assert sorted({page for page in pages if page.is_relative_to(DOCS)} - seen) == []


def test_a_page_is_of_one_kind(pages: list[Path]) -> None:
    loose = [page.name for page in pages if page.parent == DOCS and page.name != "README.md"]
    assert loose == []
    assert {page.parent.name for page in pages if page.is_relative_to(DOCS) and page.parent != DOCS} == set(KINDS)


def test_measurements_are_dated(pages: list[Path]) -> None:
    undated = [page.name for page in pages if page.parent.name == "measurements" and "2026" not in page.read_text()]
    assert undated == []


@pytest.mark.parametrize(
    ("name", "written"),
    [("pyproject.toml", 'version = "{}"'), ("CITATION.cff", "version: {}"), ("CHANGELOG.md", "## {}")],
)
def test_one_version_everywhere(name: str, written: str) -> None:
    assert f"\n{written.format(__version__)}" in (ROOT / name).read_text()
