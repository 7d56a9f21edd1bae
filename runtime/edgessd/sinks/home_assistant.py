"""What Home Assistant is told of a stream, so that it makes a device with entities (its MQTT discovery by device).

The form: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from edgessd.streams.status import State
from edgessd.tracking import Line, Zone

Entity = tuple[str, dict[str, Any]]


def device_config(
    prefix: str, stream: str, labels: tuple[str, ...], zones: tuple[Zone, ...], lines: tuple[Line, ...]
) -> tuple[str, dict[str, Any]]:
    """Return the id of a stream's device, and the payload for ``homeassistant/device/ID/config``.

    prefix: of our topics. labels: the model's. There are entities for the stream's state and last snapshot; for every
    zone its occupancy and count, also by class; for every line how many crossed it in and out, also by class. Where a
    zone or line takes all classes, those by class are disabled until somebody enables them.
    """
    from edgessd import __version__

    device = identifier(prefix, stream)
    here = {"topic": f"{prefix}/status"}
    live = {"topic": f"{prefix}/{stream}/state", "value_template": _LIVE}
    entities = dict(_of_stream(prefix, stream))
    for name, entity in _of_places(labels, zones, lines):
        counts = {"state_topic": f"{prefix}/{stream}/counts", "availability_mode": "all"}
        entities[name] = {**entity, **counts, "availability": [here, live]}
    for name, entity in entities.items():
        entity.setdefault("availability", [here])
        entity["unique_id"] = f"{device}_{name}"
    return device, {
        "device": {"identifiers": [device], "name": stream, "manufacturer": "edgessd", "sw_version": __version__},
        "origin": {"name": "edgessd", "sw_version": __version__},
        "components": entities,
    }


_LIVE = "{{ 'online' if value_json.state == 'live' else 'offline' }}"


def _of_stream(prefix: str, stream: str) -> Iterator[Entity]:
    yield (
        "state",
        {
            "platform": "sensor",
            "name": "State",
            "device_class": "enum",
            "options": [str(state) for state in State],
            "state_topic": f"{prefix}/{stream}/state",
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": f"{prefix}/{stream}/state",
            "entity_category": "diagnostic",
        },
    )
    yield (
        "snapshot",
        {
            "platform": "image",
            "name": "Last snapshot",
            "image_topic": f"{prefix}/{stream}/snapshot",
            "content_type": "image/jpeg",
        },
    )


def _of_places(labels: tuple[str, ...], zones: tuple[Zone, ...], lines: tuple[Line, ...]) -> Iterator[Entity]:
    for zone in zones:
        for label in (None, *(zone.classes or labels)):
            value = _number(("zones", zone.name), label)
            hidden = _hidden(zone, label)
            yield (
                identifier("zone", zone.name, label, "occupancy"),
                {
                    "platform": "binary_sensor",
                    "name": _name(zone.name, label, "occupancy"),
                    "device_class": "occupancy",
                    "value_template": f"{{{{ 'ON' if {value} > 0 else 'OFF' }}}}",
                    **hidden,
                },
            )
            yield (
                identifier("zone", zone.name, label, "count"),
                {
                    "platform": "sensor",
                    "name": _name(zone.name, label, "count"),
                    "state_class": "measurement",
                    "value_template": f"{{{{ {value} }}}}",
                    **hidden,
                },
            )
    for line in lines:
        for way in ("in", "out"):
            for label in (None, *(line.classes or labels)):
                yield (
                    identifier("line", line.name, label, way),
                    {
                        "platform": "sensor",
                        "name": _name(line.name, label, way),
                        "state_class": "total_increasing",
                        "value_template": f"{{{{ {_number(('lines', line.name, way), label)} }}}}",
                        **_hidden(line, label),
                    },
                )


def _number(path: tuple[str, ...], label: str | None) -> str:
    """Return the template's expression of a count, of all labels where None."""
    at = "value_json" + "".join(f"[{_quoted(key)}]" for key in path)
    return f"({at}.values() | sum)" if label is None else f"{at}.get({_quoted(label)}, 0)"


def _hidden(place: Zone | Line, label: str | None) -> dict[str, Any]:
    return {"enabled_by_default": False} if label is not None and place.classes is None else {}


def _name(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def identifier(*parts: str | None) -> str:
    """Return an id of letters, digits, '_' and '-', with a mark: "yard_person" is not "yard" and "person"."""
    text = "/".join(part for part in parts if part)
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', text)}_{sha256(text.encode()).hexdigest()[:6]}"
