"""``--ray`` of the verbs that detect in many pictures."""

from typing import Annotated

import typer

Ray = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Detect on a Ray cluster: its address, auto, or local.", show_default="here"),
]
