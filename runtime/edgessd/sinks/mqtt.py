"""Results, events and states to an MQTT broker; who listens also learns that we are gone."""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from edgessd.sinks.home_assistant import device_config
from edgessd.sinks.records import counts_as_json, result_as_json
from edgessd.streams.event import Event
from edgessd.streams.result import Result
from edgessd.streams.sink import Sink
from edgessd.streams.status import State, Status
from edgessd.tracking import Line, Zone
from edgessd.util.extras import need
from edgessd.util.reachability import broker_fault, why_unreachable
from edgessd.util.seldom import Seldom

_QUEUED_IN_CLIENT = 1024  # events and retained messages while the broker is away
_RESEND_SECONDS = 5.0  # Home Assistant needs longer to restart; a flood of "online" would be answered by a larger one
_QUEUE_IS_FULL = 15  # paho's MQTT_ERR_QUEUE_SIZE
log = logging.getLogger(__name__)


class Mqtt(Sink):
    """Publishes below PREFIX: ``STREAM/detections`` a frame, ``STREAM/events`` as they come, and retained
    ``STREAM/state``, ``STREAM/counts`` of zones and lines, ``STREAM/snapshot`` (JPEG) of the last event, and
    ``status``, online or offline, also as the last will. With discovery, Home Assistant learns of all of it by itself.

    While the broker is away frames are lost and counted; what is retained is kept, and events up to 1,024.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        *,
        host: str = "localhost",
        port: int = 1883,
        prefix: str = "edgessd",
        user: str | None = None,
        password: str | None = None,
        tls: bool = False,
        only_detections: bool = False,
        snapshots: bool = False,
        discovery: str | None = None,
    ) -> None:
        """Connects in the background. only_detections: leave out frames in which nothing was found.

        discovery: Home Assistant's topic prefix, such as "homeassistant", to announce every stream there.
        """
        client_module = need("paho.mqtt.client", "streams")
        self._labels = labels
        self._prefix = prefix
        self._only_detections = only_detections
        self._address = host, port
        self._where = f"{host}:{port}"
        self._seldom = Seldom()
        self._resend = Seldom(_RESEND_SECONDS)
        self._accepted = False
        self._reported_away = True
        self.needs_pictures = snapshots or discovery is not None
        self._discovery = discovery
        self._places: dict[str, tuple[tuple[Zone, ...], tuple[Line, ...]]] = {}  # by stream, as announced
        self._counts: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._retained: dict[str, str | bytes] = {}
        self._client = client = client_module.Client(client_module.CallbackAPIVersion.VERSION2)
        if user is not None:
            client.username_pw_set(user, password)
        if tls:
            client.tls_set()
        client.will_set(f"{prefix}/status", "offline", qos=1, retain=True)
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        client.max_queued_messages_set(_QUEUED_IN_CLIENT)
        client.on_connect = self._connected
        client.on_connect_fail = self._not_connected
        client.on_disconnect = self._disconnected
        client.on_message = self._home_assistant_started
        client.connect_async(host, port, keepalive=15)
        client.loop_start()

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._away(lambda: f"MQTT broker {self._where} refuses us ({reason}): check user and password")
            return
        self._accepted = True
        if self._reported_away:
            self._reported_away = False
            log.info("MQTT broker %s connected", self._where)
        client.publish(f"{self._prefix}/status", "online", qos=1, retain=True)
        self._publish_retained()
        if self._discovery is not None:
            client.subscribe(f"{self._discovery}/status", qos=1)

    def _publish_retained(self) -> None:
        with self._lock:
            retained = dict(self._retained)
        for topic, payload in retained.items():
            self._client.publish(topic, payload, qos=1, retain=True)

    def _home_assistant_started(self, client: Any, userdata: Any, message: Any) -> None:
        if message.payload == b"online" and self._resend():
            self._publish_retained()

    def _retain(self, topic: str, payload: str | bytes) -> None:
        """Publish what is new on a topic, or keep it until the broker is there."""
        with self._lock:
            if self._retained.get(topic) == payload:
                return
            self._retained[topic] = payload
        if self._client.is_connected():
            self._client.publish(topic, payload, qos=1, retain=True)

    def _not_connected(self, client: Any, userdata: Any) -> None:
        self._away(self._why_unreachable)

    def _why_unreachable(self) -> str:
        """Return the cause, which the client does not report."""
        return broker_fault(*self._address, why_unreachable(*self._address) or "it answered a moment later")

    def _disconnected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:
            return
        if self._accepted:
            self._away(lambda: f"MQTT broker {self._where} is away ({reason})")
        else:
            self._away(lambda: f"{self._where} ends the connection ({reason}): check that a broker listens there")
        self._accepted = False

    def _away(self, why: Callable[[], str]) -> None:
        """Warn at most once a minute; the client retries every 1 to 30 s.

        why: may take seconds, so it is called only when a warning is due.
        """
        if self._seldom():
            self._reported_away = True
            log.warning("%s; retrying", why(), extra={"reason": "broker-unreachable"})

    def write(self, result: Result) -> None:
        """Publish one frame. Raises ConnectionError while the broker is away."""
        stream = result.frame.source
        if result.tracks is not None:
            self._announce(stream, result.tracks.zones, result.tracks.lines)
            if counts := counts_as_json(result.tracks):
                self._counts[stream] = counts
                self._retain(f"{self._prefix}/{stream}/counts", json.dumps(counts))
        if self._only_detections and not len(result.detections):
            return
        if not self._client.is_connected():
            raise ConnectionError(f"MQTT broker {self._where} is away, frames are not published: start it")
        text = json.dumps(result_as_json(result, self._labels))
        self._client.publish(f"{self._prefix}/{stream}/detections", text)

    def tell(self, event: Event) -> None:
        """Publish one event, or let it wait for the broker. Raises ConnectionError when too many wait."""
        sent = self._client.publish(f"{self._prefix}/{event.stream}/events", json.dumps(event.as_json()), qos=1)
        if self.needs_pictures and event.jpeg is not None:
            self._retain(f"{self._prefix}/{event.stream}/snapshot", event.jpeg)
        if sent.rc == _QUEUE_IS_FULL:
            raise ConnectionError(f"MQTT broker {self._where} is away, events are lost: start it")

    def report(self, status: Status) -> None:
        """Publish a state, or keep it until the broker is there. Nobody is in the zones of a stream that is away."""
        if status.name not in self._places:
            self._announce(status.name, (), ())
        self._retain(f"{self._prefix}/{status.name}/state", json.dumps(status.as_json()))
        counts = self._counts.get(status.name)
        if counts is not None and status.state is not State.LIVE:
            empty = counts | {"zones": {zone: {} for zone in counts.get("zones", {})}}
            self._retain(f"{self._prefix}/{status.name}/counts", json.dumps(empty))

    def _announce(self, stream: str, zones: tuple[Zone, ...], lines: tuple[Line, ...]) -> None:
        """Tell Home Assistant of a stream, its zones and lines, unless it knows them."""
        if self._discovery is None or self._places.get(stream) == (zones, lines):
            return
        self._places[stream] = zones, lines
        device, config = device_config(self._prefix, stream, self._labels, zones, lines)
        self._retain(f"{self._discovery}/device/{device}/config", json.dumps(config))

    def close(self) -> None:
        """Say goodbye."""
        if self._client.is_connected():
            goodbye = self._client.publish(f"{self._prefix}/status", "offline", qos=1, retain=True)
            if goodbye.rc != _QUEUE_IS_FULL:
                goodbye.wait_for_publish(1.0)
            if goodbye.rc == _QUEUE_IS_FULL or not goodbye.is_published():
                log.warning("MQTT broker %s does not answer: its last frames and events are lost", self._where)
        self._client.disconnect()
        self._client.loop_stop()
