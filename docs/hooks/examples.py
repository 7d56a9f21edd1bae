"""howto/examples.md from examples/: every script whole, under the first line of its docstring."""

import ast
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

HEAD = """# Examples

Generated from `examples/`, whose scripts run as tests. Each says in its first lines how to call it. The notebook
`examples/labels_to_engine.ipynb` goes from labels to a TensorRT-RTX engine.
"""


def on_files(files: Any, config: Any) -> None:
    """Add the page. MkDocs calls this after it has listed docs/."""
    page = HEAD
    for path in sorted((Path(config.docs_dir).parent / "examples").glob("*.py")):
        code = path.read_text()
        told = (ast.get_docstring(ast.parse(code)) or "").splitlines()[0]
        page += f"\n## {path.name}\n\n{told}\n\n```python\n{code}```\n"
    files.append(File.generated(config, "howto/examples.md", content=page))
