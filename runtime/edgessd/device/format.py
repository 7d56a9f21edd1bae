"""A run's board figures as lines for people; a line only where the board tells something."""

from typing import Any


def board_lines(board: dict[str, Any], fps_per_watt: float | None) -> list[str]:
    """Return power, heat, clocks and throttling of a ``Sampler.summary``; nothing of a machine that tells nothing."""
    lines = []
    if power := board.get("power_w"):
        per_watt = "" if fps_per_watt is None else f", {fps_per_watt:.2f} FPS per watt"
        lines.append(f"{power['mean']:.2f} W mean, {power['max']:.2f} W at most ({board['power_of']}){per_watt}")
    if (heat := hottest(board)) is not None:
        lines.append(f"{heat[0]:.1f} degrees C at most ({heat[1]})")
    clocks = [_clock(name, clock) for name, clock in board.get("clocks_mhz", {}).items()]
    if clocks:
        lines.append(f"clocks: {', '.join(clocks)}")
    if "throttled" in board:
        lines.append(f"throttled: {throttling(board)}")
    if denied := board.get("not_readable"):
        lines.append(f"not readable for this user: {', '.join(denied)}")
    return lines


def hottest(board: dict[str, Any]) -> tuple[float, str] | None:
    """Return the highest temperature and its zone, None where there is none; the part's zone rather than ``tj``,
    which is the highest of all.
    """
    zones: dict[str, float] = board.get("temperatures_c", {})
    return max(
        ((value, zone) for zone, value in zones.items()), key=lambda pair: (pair[0], pair[1] != "tj"), default=None
    )


def throttling(board: dict[str, Any]) -> str:
    """Return whether and by what the board was slowed down."""
    events = [f"{name} {count} times" for name, count in board.get("over_current_events", {}).items() if count > 0]
    causes = [*board.get("throttled_by", ()), *events]
    return f"yes ({', '.join(causes)})" if board["throttled"] else "no"


def _clock(name: str, clock: dict[str, float]) -> str:
    allowed = clock.get("highest")
    part = clock.get("hardware")
    bounds = f" of {allowed:.0f}" if allowed is not None else ""
    if allowed is not None and part is not None and allowed < part:
        bounds += f" allowed, {part:.0f} possible"
    return f"{name} {clock['mean']:.0f}{bounds} MHz"
