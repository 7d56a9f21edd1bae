"""Trees of files as Jetsons have them, for tests: written as documented, not recorded on a board of ours.

Sources. Rails, counters and their names: NVIDIA's Jetson Linux Developer Guide (r36.3 and r36.5, "Jetson Orin Nano
Series, Jetson Orin NX Series and Jetson AGX Orin Series"; r38.4, "Jetson Thor"), the kernel's hwmon pages (ina3221,
ina238) and its device trees tegra234-p3701.dtsi and -p3767.dtsi. Paths on boards in use, their units and what they
answer at rest (EAGAIN from a zone whose part is off): what owners published of an Orin Nano (L4T 36.5) and an AGX Thor
(L4T 38.4), among them the public projects ThorFAN and jetson_stats (its pull requests 785 and 900).
"""

from pathlib import Path


def write(root: Path, files: dict[str, object]) -> Path:
    """Write a tree of small files below ``root`` and return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def ina3221(hwmon: int, *rails: tuple[str, int, int]) -> dict[str, object]:
    """Return the files of one INA3221; a rail is its label, mV and mA."""
    base = f"sys/class/hwmon/hwmon{hwmon}"
    files: dict[str, object] = {f"{base}/name": "ina3221"}
    for channel, (label, millivolts, milliamperes) in enumerate(rails, 1):
        files |= {
            f"{base}/in{channel}_label": label,
            f"{base}/in{channel}_input": millivolts,
            f"{base}/curr{channel}_input": milliamperes,
        }
    return {**files, f"{base}/in7_label": "sum of shunt voltages", f"{base}/in7_input": 3200}


def _counters(hwmon: int, *counts: int) -> dict[str, object]:
    base = f"sys/class/hwmon/hwmon{hwmon}"
    files: dict[str, object] = {f"{base}/name": "soctherm_oc"}
    for number, count in enumerate(counts, 1):
        files |= {f"{base}/oc{number}_event_cnt": count, f"{base}/oc{number}_throt_en": 1}
    return files


def _thermal(zones: dict[str, int], cooling: dict[str, int]) -> dict[str, object]:
    files: dict[str, object] = {}
    for number, (name, thousandths) in enumerate(zones.items()):
        base = f"sys/class/thermal/thermal_zone{number}"
        files |= {f"{base}/type": name, f"{base}/temp": thousandths}
    for number, (name, state) in enumerate(cooling.items()):
        base = f"sys/class/thermal/cooling_device{number}"
        files |= {f"{base}/type": name, f"{base}/cur_state": state}
    return files


def _devfreq(name: str, now: int, lowest: int, highest: int, steps: str = "") -> dict[str, object]:
    base = f"sys/class/devfreq/{name}"
    files: dict[str, object] = {f"{base}/cur_freq": now, f"{base}/min_freq": lowest, f"{base}/max_freq": highest}
    return {**files, f"{base}/available_frequencies": steps} if steps else files


def _cpu(policies: dict[int, tuple[int, int, int, int]]) -> dict[str, object]:
    """Return cpufreq's files; a policy is kHz now, lowest, highest, and what the cores can do."""
    files: dict[str, object] = {}
    for number, values in policies.items():
        names = ("scaling_cur_freq", "scaling_min_freq", "scaling_max_freq", "cpuinfo_max_freq")
        base = f"sys/devices/system/cpu/cpufreq/policy{number}"
        files |= {f"{base}/{name}": value for name, value in zip(names, values, strict=True)}
    return files


def orin_nano(root: Path) -> Path:
    """Write an Orin Nano Super of JetPack 6.2 in its 15 W mode, GPU and CPU at rest, one throttle alert raised."""
    return write(
        root,
        {
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64",
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
            "var/lib/nvpmodel/status": "pmode:0000",
            "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n\n< POWER_MODEL ID=1 NAME=25W >\n"
            "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\nGPU MAX_FREQ -1\n< POWER_MODEL ID=3 NAME=7W >\n"
            "< PM_CONFIG DEFAULT=1 >",
            "sys/class/hwmon/hwmon0/name": "pwm_tach",
            **ina3221(1, ("VDD_IN", 5000, 1000), ("VDD_CPU_GPU_CV", 5000, 300), ("VDD_SOC", 5000, 240)),
            **_counters(10, 0, 15, 37),
            **_thermal(
                {"cpu-thermal": 49500, "gpu-thermal": 48250, "soc0-thermal": 47000, "tj-thermal": 49500},
                {"pwm-fan": 3, "cpu-throttle-alert": 0, "gpu-throttle-alert": 1, "devfreq-17000000.gpu": 0},
            ),
            **_devfreq("17000000.gpu", 306000000, 306000000, 624750000, "306000000 408000000 624750000 1020000000"),
            "sys/kernel/nvpmodel_clk_cap/emc": 2133000000,
            **_cpu({0: (1113600, 729600, 1510400, 1728000), 4: (729600, 729600, 1510400, 1728000)}),
        },
    )


def agx_orin(root: Path) -> Path:
    """Write the power monitors of an AGX Orin: two INA3221, of whose second only the memory's rail is connected."""
    files = ina3221(3, ("VDD_GPU_SOC", 20000, 150), ("VDD_CPU_CV", 20000, 100), ("VIN_SYS_5V0", 5000, 1000))
    files |= ina3221(4, ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 5000, 220), ("NC", 0, 0))
    return write(root, files)


def thor(root: Path) -> Path:
    """Write an AGX Thor of JetPack 7.1 at MAXN with its clocks locked; its GPU zone answers nothing while it rests."""
    return write(
        root,
        {
            "etc/nv_tegra_release": "# R38 (release), REVISION: 4.0, GCID: 43443517, BOARD: generic, EABI: aarch64",
            "proc/device-tree/model": "NVIDIA Jetson AGX Thor Developer Kit\0",
            "var/lib/nvpmodel/status": "pmode:0000 fmode:fanNull",
            "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=120W >\n"
            "< POWER_MODEL ID=2 NAME=90W >\n< PM_CONFIG DEFAULT=1 >",
            **ina3221(5, ("VDD_GPU", 12000, 1000), ("VDD_CPU_SOC_MSS", 12000, 500), ("VIN_SYS_5V0", 5000, 1300)),
            "sys/class/hwmon/hwmon6/name": "ina238",
            "sys/class/hwmon/hwmon6/in1_input": 20000,
            "sys/class/hwmon/hwmon6/curr1_input": 1600,
            "sys/class/hwmon/hwmon6/power1_input": 32000000,
            **_counters(7, 0, 8, 813),
            **_thermal(
                {"tj-thermal": 55100, "soc012-thermal": 55000, "cpu-thermal": 53700},
                {"pwm-fan": 2, "gpu-throttle-alert": 0, "soc012-throttle-alert": 0, "devfreq-gpu-gpc-0": 0},
            ),
            "sys/class/thermal/thermal_zone3/type": "gpu-thermal",
            **_devfreq("gpu-gpc-0", 1575000000, 1575000000, 1575000000, "54000000 945000000 1575000000"),
            **_devfreq("gpu-nvd-0", 1692000000, 1692000000, 1692000000),
            **_devfreq("bwmgr", 4266000000, 4266000000, 4266000000),
            **_cpu({0: (2601000, 2601000, 2601000, 2601000), 2: (2601000, 2601000, 2601000, 2601000)}),
        },
    )
