"""``--compare``: what changed since the stored run, in ratios."""

from typing import Any

from rich.console import Console
from rich.table import Table

from comparison.history import both
from comparison.table import ratio_words


def print_change(run: dict[str, Any], before: dict[str, Any], console: Console) -> None:
    """Print for every entry of both runs how many times as fast the first entry was, now and then."""
    console.print(f"since {before['date']} ({before['commit']}), how many times as fast {run['first']} is:")
    if run["first"] != before["first"]:
        console.print(f"the stored run's ratios are to another entry, {before['first']}: only CPU can be compared")
    table = Table("entry", "now", "stored", "CPU in yardsticks now", "stored", box=None, pad_edge=False)
    for now, then in both(run, before):
        table.add_row(
            now["name"],
            ratio_words(now["first_is_faster"]),
            ratio_words(then["first_is_faster"]),
            ratio_words(now["cpu_in_yardsticks"]),
            ratio_words(then["cpu_in_yardsticks"]),
        )
    console.print(table)
