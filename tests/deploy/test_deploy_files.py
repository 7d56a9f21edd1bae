import importlib.util
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from edgessd.config import read_config
from edgessd.doctor.findings import KNOWN
from edgessd.model.shipped import model_path
from edgessd.sources import parse_address

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCKERFILES = [DEPLOY / "jetson" / f"Dockerfile.jetpack{number}" for number in (6, 7)]


def script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", [DEPLOY / "streams.toml", DEPLOY / "jetson" / "streams.toml"])
def test_the_examples_are_configurations(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOOR_PASSWORD", "YARD_PASSWORD", "MQTT_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    config = read_config(path)
    assert model_path(config.model.path).exists()
    assert len(config.streams) == 2
    assert all("secret" not in parse_address(stream.source).name for stream in config.streams)


def test_the_passwords_of_the_example_are_those_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (DEPLOY / "jetson" / "passwords.example").read_text().splitlines()
    for line in (line for line in lines if not line.startswith("#")):
        monkeypatch.setenv(*line.split("=", 1))
    read_config(DEPLOY / "jetson" / "streams.toml")


def test_the_page_has_every_finding_of_the_doctor_and_no_other() -> None:
    page = (DEPLOY.parent / "docs/reference/doctor.md").read_text().partition("## Errors")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `")]
    assert {name for row in rows for name in re.findall("`([^`]+)`", row)} == set(KNOWN)


def test_compose_keeps_the_container_small() -> None:
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load((DEPLOY / "jetson" / "compose.yaml").read_text())["services"]["edgessd"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    mounted = [each["target"] if isinstance(each, dict) else each.split(":")[1] for each in service["volumes"]]
    assert {"/var/cache/edgessd", "/var/lib/edgessd", "/etc/edgessd/streams.toml"} <= set(mounted)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_the_images_do_not_run_as_root(path: Path) -> None:
    steps = script(DEPLOY / "arm64" / "dockerfile.py").instructions(path.read_text())
    words = [word for word, _ in steps]
    assert dict(steps)["USER"] == "edgessd"
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in ("RUN", "COPY"))
    assert "healthy.py" in dict(steps)["HEALTHCHECK"]


def test_both_images_end_alike() -> None:
    six, seven = (path.read_text().partition("COPY . ")[2] for path in DOCKERFILES)
    assert six.replace("--jetpack 6", "--jetpack 7") == seven


def test_instructions_of_a_dockerfile() -> None:
    text = "# a comment\nARG BASE=x\nFROM ${BASE}\nRUN one \\\n    two \\\n    # dropped\n    && three\nUSER nobody\n"
    assert script(DEPLOY / "arm64" / "dockerfile.py").instructions(text) == [
        ("ARG", "BASE=x"),
        ("FROM", "${BASE}"),
        ("RUN", "one two && three"),
        ("USER", "nobody"),
    ]


@pytest.fixture
def metrics() -> Iterator[tuple[str, list[str]]]:
    page = [""]

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page[0].encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics", page
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("ages", "code"), [({}, 1), ({"a": "0.04", "b": "700.5"}, 0), ({"a": "61.0"}, 1)])
def test_the_health_check(metrics: tuple[str, list[str]], ages: dict[str, str], code: int) -> None:
    url, page = metrics
    lines = [f'edgessd_last_frame_age_seconds{{stream="{name}"}} {age}' for name, age in ages.items()]
    page[0] = "\n".join(["# TYPE edgessd_last_frame_age_seconds gauge", *lines, ""])
    assert script(DEPLOY / "jetson" / "healthy.py").main(url, "60") == code


def test_the_health_check_without_metrics() -> None:
    assert script(DEPLOY / "jetson" / "healthy.py").main("http://127.0.0.1:1/metrics") == 1


def line(*found: tuple[str, float, list[float]]) -> str:
    detections = ", ".join(f'{{"label": "{label}", "score": {score}, "box": {box}}}' for label, score, box in found)
    return f'{{"source": "a.png", "detections": [{detections}]}}\n'


CAT = ("cat", 0.8, [1.0, 2.0, 30.0, 40.0])
COMPARED = {
    "the same": (line(CAT), line(CAT), 0),
    "both within": (line(CAT), line(("cat", 0.791, [1.9, 2.0, 30.0, 40.0])), 0),
    "the box is off": (line(CAT), line(("cat", 0.8, [2.1, 2.0, 30.0, 40.0])), 1),
    "the score is off": (line(CAT), line(("cat", 0.78, [1.0, 2.0, 30.0, 40.0])), 1),
    "another label": (line(CAT), line(("dog", 0.8, [1.0, 2.0, 30.0, 40.0])), 1),
    "one alone there": (line(CAT), line(CAT, ("dog", 0.5, [0.0, 0.0, 9.0, 9.0])), 1),
    "across the threshold": (line(("cat", 0.301, [1, 2, 3, 4])), line(("cat", 0.299, [1, 2, 3, 4])), 0),
    "unsure ones do not count": (line(CAT, ("dog", 0.25, [0.0, 0.0, 9.0, 9.0])), line(CAT), 0),
    "nothing in either": (line(), line(), 0),
    "no images": ("", "", 2),
}


@pytest.mark.parametrize("case", COMPARED)
def test_detections_compared(case: str, tmp_path: Path) -> None:
    here, there, code = COMPARED[case]
    (tmp_path / "here").write_text(here)
    (tmp_path / "there").write_text(there)
    assert script(DEPLOY / "arm64" / "compare.py").main(tmp_path / "here", tmp_path / "there") == code
