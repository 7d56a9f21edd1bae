"""Files of the repository in the site: what a page links to outside docs/ becomes a page that shows the file.

So every link works without a network and without knowing where the repository is hosted.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

LINK = re.compile(r"\]\((\.\./[^)#\s]+)")
# Pages that stand at the repository's root, where its hosts and its readers look for them.
AT_THE_ROOT = {"CONTRIBUTING.md": "project/contributing.md", "CHANGELOG.md": "project/changelog.md",
               "SECURITY.md": "project/security.md"}  # fmt: skip
LANGUAGES = {".py": "python", ".sh": "sh", ".toml": "toml", ".yaml": "yaml", ".service": "ini"}


def on_files(files: Any, config: Any) -> None:
    """Add a page for each file that is linked to."""
    root = Path(config.docs_dir).parent
    for name, page in AT_THE_ROOT.items():
        files.append(File.generated(config, page, content=(root / name).read_text()))
    for page in list(files.documentation_pages()):
        for link in LINK.findall(page.content_string):
            outside = _outside(link, page.src_uri)
            if not outside or outside in AT_THE_ROOT or files.get_file_from_path(_page_of(outside)):
                continue
            if (root / outside).is_file():  # else MkDocs says what leads to nothing
                files.append(File.generated(config, _page_of(outside), content=_shown(root, outside)))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point the links at the pages."""

    def to_page(match: re.Match[str]) -> str:
        outside = _outside(match[1], page.file.src_uri)
        if outside is None:
            return match[0]
        target = AT_THE_ROOT.get(outside) or _page_of(outside)
        return f"]({posixpath.relpath(target, posixpath.dirname(page.file.src_uri))}"

    return LINK.sub(to_page, markdown)


def _outside(link: str, page: str) -> str | None:
    """Return the path in the repository of a link that leaves docs/, None of one that does not."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return None if path.startswith("docs/") else path


def _page_of(path: str) -> str:
    return f"files/{path}.md"


def _shown(root: Path, path: str) -> str:
    text = (root / path).read_text()
    return f"# {path}\n\n````{LANGUAGES.get(Path(path).suffix, 'text')}\n{text.rstrip()}\n````\n"
