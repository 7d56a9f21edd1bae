"""The manifests, rules and dashboard for many devices: by the schemas and programs of those who will read them."""

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from edgessd.config import read_config
from edgessd.sinks.prometheus import Prometheus
from edgessd.streams.status import State

FLEET = Path(__file__).parents[2] / "deploy" / "fleet"
# The board's own figures: only there on a Jetson, and named in docs/howto/jetson.md.
ON_A_BOARD = {"edgessd_board_power_watts", "edgessd_board_temperature_celsius", "edgessd_board_throttle_alert"}


def manifests() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((FLEET / "edgessd.yaml").read_text()))


@pytest.mark.parametrize("index", range(5))
def test_every_manifest_is_one_that_kubernetes_takes(index: int) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    document = manifests()[index]
    version = validate.latest_version()
    validate.validate(document, version, strict=True)
    document["spec" if "spec" in document else "metadata"]["no_such_field"] = 1
    with pytest.raises(validate.ValidationError):
        validate.validate(document, version, strict=True)


def test_the_manifests_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_kind = {document["kind"]: document for document in manifests()}
    pod = of_kind["DaemonSet"]["spec"]["template"]["spec"]
    mounted = {volume["name"]: volume for volume in pod["volumes"]}
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert {mount["name"] for mount in container["volumeMounts"]} == set(mounted)
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert mounted["config"]["configMap"]["name"] == of_kind["ConfigMap"]["metadata"]["name"]
    for name, value in of_kind["Secret"]["stringData"].items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "streams.toml"
    path.write_text(of_kind["ConfigMap"]["data"]["streams.toml"])
    config = read_config(path)
    (port,) = pod["containers"][0]["ports"]
    assert [sink.port for sink in config.sinks if type(sink).__name__.startswith("Prometheus")] == [
        port["containerPort"]
    ]


def test_the_rules_fire_when_they_should() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    for arguments in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]):
        done = subprocess.run(["promtool", *arguments], cwd=FLEET, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tested() -> None:
    rules = set(re.findall(r"- alert: (\w+)", (FLEET / "alerts.yaml").read_text()))
    tested = (FLEET / "alerts_test.yaml").read_text()
    fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", tested))
    assert fired == rules


def test_rules_and_dashboard_ask_for_what_there_is() -> None:
    pytest.importorskip("prometheus_client")
    sink = Prometheus(("person",), port=0)

    class Overview:
        sinks = ()

        def statuses(self) -> list[Any]:
            return []

    sink.watch(Overview())
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        sink.close()
    families = dict(re.findall(r"# TYPE (edgessd_\w+) (\w+)", text))
    endings = {"histogram": ("_bucket", "_sum", "_count")}
    there = {name + ending for name, kind in families.items() for ending in endings.get(kind, ("",))}
    dashboard = json.loads((FLEET / "dashboard.json").read_text())
    asked = json.dumps(dashboard["panels"]) + (FLEET / "alerts.yaml").read_text()
    assert set(re.findall(r"edgessd_\w+", asked)) <= there | ON_A_BOARD
    states = {state for group in re.findall(r'state=~?\\?"([\w|]+)', asked) for state in group.split("|")}
    assert states <= {str(state) for state in State}


def test_no_panel_lies_upon_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((FLEET / "dashboard.json").read_text())["panels"]:
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken
        assert columns.stop <= 24
        taken |= cells
