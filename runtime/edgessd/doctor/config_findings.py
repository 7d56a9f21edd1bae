"""What is wrong with a configuration of ``edgessd run`` here: its streams, its sinks, its model."""

import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from edgessd.config import Config, StreamTable, read_config
from edgessd.config.sinks import MqttTable, SinkTable, kind_of
from edgessd.device.permissions import usable
from edgessd.doctor.facts import Facts
from edgessd.doctor.findings import Effect, Finding
from edgessd.doctor.model_findings import model_findings
from edgessd.errors import DiskFull, EdgessdError, InputError
from edgessd.sources import parse_address
from edgessd.sources.address import PORTS, Address
from edgessd.sources.camera import why_closed
from edgessd.sources.subprocess_source import ARGUS_COMMAND, ARGUS_SOCKET
from edgessd.util.files import status
from edgessd.util.reachability import broker_command, why_unreachable

AT_ONCE = 16  # hosts asked side by side, so that dead ones cost one wait


def config_findings(path: Path, facts: Facts) -> list[Finding]:
    """Return what is wrong with a configuration file on this machine, model first."""
    try:
        config = read_config(path)
        sources = [(stream, parse_address(text)) for stream in config.streams for text in stream.addresses]
    except InputError as error:
        return [Finding.of("config-wrong", error, shlex.join(["edgessd", "run", str(path), "--check"]))]
    return [*model_findings(config.model.path, facts), *_view(config), *_reachable(config, sources)]


def _reachable(config: Config, sources: list[tuple[StreamTable, Address]]) -> list[Finding]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        streams = [pool.submit(_stream, stream, address) for stream, address in sources]
        sinks = [pool.submit(_sink, sink) for sink in config.sinks]
        found = [finding for job in (*streams, *sinks) if (finding := job.result()) is not None]
    missing = [finding for finding in found if finding.id == "source-missing"]
    if len(missing) == len(sources):
        return found
    # The other streams go on.
    return [replace(finding, effect=Effect.WARNS) if finding in missing else finding for finding in found]


def _stream(stream: StreamTable, address: Address) -> Finding | None:
    match address.kind:
        case "camera":
            return _camera(stream, address)
        case "csi" if not ARGUS_SOCKET.exists():
            cause = f"stream {stream.name}: {ARGUS_SOCKET} of the camera daemon is absent"
            return Finding("camera-missing", Effect.RETRIES, cause, ARGUS_COMMAND)
        case "path" if status(Path(address.target)) is None:
            cause = f"stream {stream.name}: there is no {address.name}"
            return Finding("source-missing", Effect.STOPS, cause, f"ls -l {address.name}")
        case "rtsp" | "http":
            return _host(stream, address)
    return None


def _camera(stream: StreamTable, address: Address) -> Finding | None:
    device = Path(f"/dev/video{address.target}" if address.target.isdecimal() else address.target)
    there = status(device) is not None
    if there and usable(device):
        return None
    name = "device-access" if there else "camera-missing"
    why = why_closed(device)
    return Finding(name, Effect.RETRIES, f"stream {stream.name}: {why.cause}", why.command or f"ls -l {device}")


def _host(stream: StreamTable, address: Address) -> Finding | None:
    try:
        parts = urlsplit(address.name)  # the name has no password
        host, port = parts.hostname, parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if host is None or (why := why_unreachable(host, port)) is None:
        return None
    cause = f"stream {stream.name}: {host}:{port} cannot be reached ({why})"
    return Finding("stream-unreachable", Effect.RETRIES, cause, f"ping -c 3 {host}; nc -zv {host} {port}")


def _view(config: Config) -> list[Finding]:
    try:
        if config.view is not None:
            config.view.check()
    except EdgessdError as error:
        return [Finding.of("view-unusable", error, "edgessd hash-password", place="view")]
    return []


def _sink(sink: SinkTable) -> Finding | None:
    try:
        sink.check()
    except EdgessdError as error:
        name = "disk-full" if isinstance(error, DiskFull) else "sink-place"
        return Finding.of(name, error, "df -h", place=f"sink {kind_of(sink)}")
    if isinstance(sink, MqttTable) and (why := why_unreachable(sink.host, sink.port)):
        cause = f"MQTT broker {sink.host}:{sink.port} cannot be reached ({why})"
        return Finding("broker-unreachable", Effect.RETRIES, cause, broker_command(sink.host, sink.port))
    return None
