"""Passwords and tokens of a configuration or an address show in no report of any verb."""

from collections.abc import Callable
from pathlib import Path

import pytest
from servers.cameras import free_port, mjpeg_camera

Edgessd = Callable[..., tuple[int, str, str]]
SECRETS = ("geheim", "t0ken", "pazzword", "hunter2")


def hidden(*texts: str) -> bool:
    found = [secret for text in texts for secret in SECRETS if secret in text]
    assert not found, texts
    return True


def written(folder: Path) -> list[str]:
    return [path.read_bytes().decode("latin1") for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def config(tmp_path: Path, tiny: Path) -> Path:
    path = tmp_path / "c.toml"
    dead = free_port()
    path.write_text(f"""model.path = "{tiny}"
[[streams]]
name = "door"
source = "rtsp://admin:geheim@127.0.0.1:{dead}/live?token=t0ken"
[[streams]]
name = "gate"
source = "http://admin:geheim@127.0.0.1:{dead}/live?user=admin&password=pazzword"
[[sinks]]
type = "webhook"
url = "http://admin:geheim@127.0.0.1:{dead}/t0ken?key=pazzword"
headers = {{ Authorization = "Bearer hunter2" }}
[[sinks]]
type = "mqtt"
host = "127.0.0.1"
port = {dead}
user = "admin"
password = "hunter2"
""")
    return path


@pytest.mark.parametrize("words", [["run", "--check"], ["doctor", "--config"], ["doctor", "--json", "--config"]])
def test_of_a_configuration(edgessd: Edgessd, config: Path, words: list[str]) -> None:
    code, out, err = edgessd(*words, config)
    assert code in (0, 1)
    assert out
    assert hidden(out, err)


@pytest.mark.parametrize("line", ['sorce = "rtsp://a:geheim@h/x"', "password = hunter2", 'headers = "Bearer t0ken"'])
def test_of_a_configuration_that_is_wrong(edgessd: Edgessd, config: Path, line: str) -> None:
    config.write_text(config.read_text().replace('name = "door"', f'name = "door"\n{line}'))
    for words in (["run", "--check"], ["run"], ["doctor", "--config"]):
        code, out, err = edgessd(*words, config)
        assert code in (1, 2)
        assert "door" in out + err or "c.toml" in out + err
        assert hidden(out, err)


def test_of_a_measured_camera(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    port, report = free_port(), tmp_path / "report"
    with mjpeg_camera(port, "--fps", 200, "--password", "geheim"):
        url = f"http://admin:geheim@127.0.0.1:{port}/live?token=t0ken"
        words = ["bench", tiny, url, "--frames", "20", "--report", report, "--json", tmp_path / "b.json"]
        code, out, err = edgessd(*words)
    assert code == 0, err
    assert hidden(out, err, *written(tmp_path))
    assert (report / "report.md").exists()


def test_of_a_detected_camera(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    port = free_port()
    with mjpeg_camera(port, "--password", "geheim"):
        url = f"http://admin:geheim@127.0.0.1:{port}/live?token=t0ken"
        code, out, err = edgessd("detect", url, "-m", tiny, "--max-frames", 5, "--jsonl", tmp_path / "o.jsonl")
    assert code == 0, err
    assert hidden(out, err, *written(tmp_path))


def test_selftest_pastes_no_environment(
    edgessd: Edgessd, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "geheim")
    _, out, err = edgessd("selftest", tiny, "--backend", "onnxruntime", "--json", tmp_path / "s.json")
    assert hidden(out, err, *written(tmp_path))
