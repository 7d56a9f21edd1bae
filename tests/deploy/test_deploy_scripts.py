import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob("deploy/**/*.sh"), ROOT / ".ci" / "run"])
INSTALL = ROOT / "deploy" / "jetson" / "install.sh"
UNIT = ROOT / "deploy" / "jetson" / "edgessd.service"


def told(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: apt-get install shellcheck")
    assert told("shellcheck", script) == (0, "")
    assert os.access(script, os.X_OK)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    unit = tmp_path / "edgessd.service"
    unit.write_text(UNIT.read_text().replace("/opt/edgessd/bin/edgessd", "/bin/true"))  # it wants the program to exist
    assert told("systemd-analyze", "verify", "--man=no", unit) == (0, "")


def test_the_unit_gives_up_only_where_trying_again_is_useless() -> None:
    lines = UNIT.read_text().splitlines()
    for line in ("Restart=on-failure", "RestartPreventExitStatus=2", "StartLimitIntervalSec=0", "Type=notify"):
        assert line in lines


def test_the_install_script_explains_itself() -> None:
    code, text = told(INSTALL, "--help")
    assert code == 0
    assert "--service" in text
    assert "set -" not in text


def test_the_install_script_refuses_what_it_does_not_know() -> None:
    code, text = told(INSTALL, "--wheels")
    assert (code, "no option --wheels" in text) == (2, True)


def test_the_install_script_refuses_other_machines() -> None:
    if platform.machine() == "aarch64":
        pytest.skip("this machine is aarch64, as a Jetson is")
    code, text = told(INSTALL)
    assert (code, "a Jetson is aarch64" in text) == (2, True)


RELEASES = {
    "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64": (0, "6"),
    "# R38 (release), REVISION: 4.0, GCID: 1, BOARD: generic, EABI: aarch64": (0, "7"),
    "# R39 (release), REVISION: 2.0, GCID: 1, BOARD: generic, EABI: aarch64": (0, "7"),
    "# R36 (release), REVISION: 3.0, GCID: 1, BOARD: generic, EABI: aarch64": (2, "flash JetPack 6.1"),
    "# R35 (release), REVISION: 6.1, GCID: 1, BOARD: t186ref, EABI: aarch64": (2, "not supported"),
    "nonsense": (2, "cannot read the release"),
}


@pytest.mark.parametrize("line", RELEASES)
def test_the_install_script_tells_releases_apart(line: str, tmp_path: Path) -> None:
    release = tmp_path / "nv_tegra_release"
    release.write_text(line + "\n")
    functions = INSTALL.read_text().replace('\nmain "$@"\n', "\n").replace("/etc/nv_tegra_release", str(release))
    code, text = told("bash", "-c", functions + "\njetpack_here", str(INSTALL))
    assert (code, RELEASES[line][1] in text) == (RELEASES[line][0], True)


def test_the_install_script_asks_for_a_jetson(tmp_path: Path) -> None:
    functions = (
        INSTALL.read_text().replace('\nmain "$@"\n', "\n").replace("/etc/nv_tegra_release", str(tmp_path / "no"))
    )
    code, text = told("bash", "-c", functions + "\njetpack_here", str(INSTALL))
    assert (code, "so this is no Jetson" in text) == (2, True)
