"""Clocks of GPU, memory and CPU, each with the bounds that power mode and jetson_clocks give it."""

from dataclasses import dataclass

from edgessd.device.text_tree import Tree

# A Jetson's GPU by generation: 17000000.gpu (Orin), gpu-gpc-0 (Thor), 17000000.ga10b (JetPack 5), older ones.
GPU_NAMES = (".gpu", "gpu-gpc-0", ".ga10b", ".gv11b", ".gp10b", ".gm20b", "gpu.0")
MEMORY_CLOCK = "sys/kernel/debug/bpmp/debug/clk/emc"  # root's alone


@dataclass(frozen=True)
class Clock:
    """MHz; what is not told is None. lowest, highest: the bounds now. hardware: what the part can do."""

    now: float | None
    lowest: float | None
    highest: float | None
    hardware: float | None

    @property
    def locked(self) -> bool | None:
        """Return whether it stays at its highest, as jetson_clocks sets it; None where that is not told."""
        if self.lowest is None or self.highest is None:
            return None
        return self.lowest >= self.highest

    @property
    def capped(self) -> bool | None:
        """Return whether it may not reach what the part can do; None where that is not told."""
        if self.highest is None or self.hardware is None:
            return None
        return self.highest < self.hardware


def clocks(tree: Tree) -> dict[str, Clock]:
    """Return the clocks that this machine tells, by ``gpu``, ``emc`` (memory) and ``cpu``."""
    found = {"gpu": _gpu(tree), "emc": _memory(tree), "cpu": _cpu(tree)}
    return {name: clock for name, clock in found.items() if clock is not None}


def _gpu(tree: Tree) -> Clock | None:
    for path in tree.matching("sys/class/devfreq/*"):
        if path.endswith(GPU_NAMES):
            return _devfreq(tree, path)
    return None


def _devfreq(tree: Tree, path: str) -> Clock | None:
    """Return a clock of devfreq, which counts in Hz."""
    now = tree.number(f"{path}/cur_freq")
    steps = [int(step) for step in (tree.text(f"{path}/available_frequencies") or "").split() if step.isdecimal()]
    lowest, highest = tree.number(f"{path}/min_freq"), tree.number(f"{path}/max_freq")
    hardware = max(steps, default=None)
    return _clock(now, lowest, highest, hardware, per_mhz=1e6)


def _memory(tree: Tree) -> Clock | None:
    """Return the memory's clock: Thor's devfreq, or Orin's debug files where this user may read them."""
    if tree.exists("sys/class/devfreq/bwmgr"):
        return _devfreq(tree, "sys/class/devfreq/bwmgr")
    cap = tree.number("sys/kernel/nvpmodel_clk_cap/emc")
    if cap is None:
        return None
    return _clock(tree.number(f"{MEMORY_CLOCK}/rate"), None, cap, tree.number(f"{MEMORY_CLOCK}/max_rate"), per_mhz=1e6)


def _cpu(tree: Tree) -> Clock | None:
    """Return all cores together: the mean now, the narrowest bounds. cpufreq counts in kHz."""
    policies = list(tree.matching("sys/devices/system/cpu/cpufreq/policy*"))

    def every(name: str) -> list[int]:
        return [value for path in policies if (value := tree.number(f"{path}/{name}")) is not None]

    now = every("scaling_cur_freq")
    mean = round(sum(now) / len(now)) if now else None
    lowest, highest = min(every("scaling_min_freq"), default=None), min(every("scaling_max_freq"), default=None)
    return _clock(mean, lowest, highest, min(every("cpuinfo_max_freq"), default=None), per_mhz=1e3)


def _clock(
    now: int | None, lowest: int | None, highest: int | None, hardware: int | None, *, per_mhz: float
) -> Clock | None:
    if now is None and highest is None:
        return None
    return Clock(*(None if value is None else value / per_mhz for value in (now, lowest, highest, hardware)))
