"""Results and states to an MQTT broker; who listens also learns that we are gone."""

import json
import logging
import threading
from time import monotonic
from typing import Any

from edgessd.sinks.records import result_as_json
from edgessd.streams.result import Result
from edgessd.streams.status import Status
from edgessd.util.extras import need
from edgessd.util.reachability import broker_fault, why_unreachable

_QUEUED_IN_CLIENT = 64
_COMPLAIN_SECONDS = 60.0
log = logging.getLogger(__name__)


class Mqtt:
    """Publishes ``PREFIX/STREAM/detections`` a frame, ``PREFIX/STREAM/state`` retained, ``PREFIX/status`` online or
    offline, the latter also as the last will. While the broker is away frames are lost and counted, states kept.
    """

    needs_image = False

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
    ) -> None:
        """Connects in the background. only_detections: leave out frames in which nothing was found."""
        client_module = need("paho.mqtt.client", "streams")
        self._labels = labels
        self._prefix = prefix
        self._only_detections = only_detections
        self._address = host, port
        self._where = f"{host}:{port}"
        self._complained_at = -_COMPLAIN_SECONDS
        self._lock = threading.Lock()
        self._states: dict[str, str] = {}
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
        client.connect_async(host, port, keepalive=15)
        client.loop_start()

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            log.warning("MQTT broker %s refuses us: %s", self._where, reason)
            return
        log.info("MQTT broker %s connected", self._where)
        client.publish(f"{self._prefix}/status", "online", qos=1, retain=True)
        with self._lock:
            states = dict(self._states)
        for stream, text in states.items():
            client.publish(f"{self._prefix}/{stream}/state", text, qos=1, retain=True)

    def _not_connected(self, client: Any, userdata: Any) -> None:
        """Say why, since the client only says that; it goes on trying every 1 to 30 s."""
        if monotonic() - self._complained_at < _COMPLAIN_SECONDS:
            return
        self._complained_at = monotonic()
        cause = why_unreachable(*self._address) or "it answered a moment later"
        log.warning("%s; trying on", broker_fault(*self._address, cause), extra={"reason": "broker-unreachable"})

    def _disconnected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            log.warning("MQTT broker %s is away: %s", self._where, reason)

    def write(self, result: Result) -> None:
        """Publish one frame. Raises ConnectionError while the broker is away."""
        if self._only_detections and not len(result.detections):
            return
        if not self._client.is_connected():
            raise ConnectionError(f"MQTT broker {self._where} is away, frames are not published: start it")
        text = json.dumps(result_as_json(result, self._labels))
        self._client.publish(f"{self._prefix}/{result.frame.source}/detections", text)

    def report(self, status: Status) -> None:
        """Publish a state, or keep it until the broker is there."""
        text = json.dumps(status.as_json())
        with self._lock:
            self._states[status.name] = text
        if self._client.is_connected():
            self._client.publish(f"{self._prefix}/{status.name}/state", text, qos=1, retain=True)

    def close(self) -> None:
        """Say goodbye."""
        if self._client.is_connected():
            self._client.publish(f"{self._prefix}/status", "offline", qos=1, retain=True).wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()
