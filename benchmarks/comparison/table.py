"""The tables of a run on the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 190


def print_run(run: dict[str, Any], console: Console) -> None:
    """Print every entry, the absent ones, the machine's rates and, where measured, the budgets."""
    machine = run["machine"]
    console.print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, {run['date']}")
    console.print(f"every ratio: how many times as fast {run['first']} is, median (lowest-highest round)")
    single = ("frame to detections", "ms", "FPS", "resize", "infer", "post", "CPU ms", "MB", "GMAC", "limit", "ratio")
    columns = (*single, "file FPS", "of limit", "ratio")
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, justify="left" if column == columns[0] else "right")
    for entry in run["entries"]:
        table.add_row(*row(entry))
    # A narrow terminal wraps whole lines; cells cut to three letters would say nothing.
    narrow, console.width = console.width, max(console.width, WIDTH)
    console.print(table)
    console.width = narrow
    for entry in run["entries"]:
        if entry["failure"]:
            console.print(f"failed: {entry['name']}: {entry['failure']}", markup=False)
    for entry in run["absent"]:
        console.print(f"absent: {entry['name']} (needs {', '.join(entry['missing'])})", markup=False)
    rates = ", ".join(f"{precision} {rate:.0f} GMAC/s" for precision, rate in run["rates_gmac"].items())
    console.print(f"best kernel measured here: {rates or 'none'}")
    if run.get("budgets"):
        console.print(budget_table(run["budgets"]))


def row(entry: dict[str, Any]) -> list[str]:
    """Return one entry's cells; a dash for what it does not have."""
    if "fps" not in entry:
        return [entry["name"], *["-"] * 13]
    played = entry["end_to_end"] or {}
    stages = entry["stages_ms"]
    return [
        entry["name"],
        f"{entry['ms']['median']:.2f}",
        f"{entry['fps']:.1f}",
        *(f"{stages[stage]:.2f}" for stage in ("resize", "inference", "postprocess")),
        f"{entry['cpu_ms']:.1f}",
        f"{entry['rss_mb']:.0f}",
        f"{entry['gmac']:.2f}" if entry["gmac"] else "-",
        percent(entry["limit_share"]),
        ratio_words(entry["first_is_faster"]),
        f"{played['fps']:.1f}" if played else "-",
        percent(played.get("limit_share")),
        ratio_words(played.get("first_is_faster")),
    ]


def percent(share: float | None) -> str:
    """Return a share in per cent, or a dash."""
    return "-" if share is None else f"{share:.0%}"


def ratio_words(ratio: dict[str, float] | None) -> str:
    """Return a ratio with its spread, or a dash."""
    if not ratio:
        return "-"
    median, low, high = (digits(ratio[name]) for name in ("median", "low", "high"))
    return f"{median} ({low}-{high})"


def digits(value: float) -> str:
    """Return a number with the digits that matter."""
    return f"{value:.2f}" if value < 9.95 else f"{value:.0f}"


def budget_table(budgets: list[dict[str, Any]]) -> Table:
    """Return the budgets, each with its verdict."""
    table = Table("budget", "at most / least", "measured", "met", box=None, pad_edge=False)
    for budget in budgets:
        table.add_row(budget["what"], budget["budget"], budget["measured"], verdict(budget["met"]))
    return table


def verdict(met: bool | None) -> str:
    """Return yes, NO, or not measured."""
    return {True: "yes", False: "NO", None: "not judged"}[met]
