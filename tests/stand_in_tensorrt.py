"""A module that looks like one TensorRT version and allows no call which that version has not.

What classes, methods, arguments, properties and enum members there are comes from tensorrt_signatures.json, recorded
from the real bindings; the few behaviours a build needs are below. So a call that no version has cannot pass.
"""

import enum
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

SIGNATURES = Path(__file__).parent / "export" / "tensorrt_signatures.json"
SUBCLASSED = ("ILogger", "IProgressMonitor")


def signatures() -> dict[str, Any]:
    """Return the recorded table: version, class, then methods, properties or members."""
    return json.loads(SIGNATURES.read_text())


class Recorded:
    """An object of a recorded class: calls, reads and writes are checked against the table, then noted."""

    def __init__(self, kind: str, table: dict[str, Any], world: "World", **values: Any) -> None:
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_table", table[kind])
        object.__setattr__(self, "_world", world)
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        if name in self._table["methods"]:
            return lambda *arguments, **named: self._call(name, arguments, named)
        if name in self._table["properties"]:
            return self._values.get(name)
        raise AttributeError(f"{self._kind} of this version has no {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not self._table["properties"].get(name, False):
            raise AttributeError(f"{self._kind} of this version has no settable {name}")
        self._values[name] = value
        self._world.said.append((f"{self._kind}.{name}", value))

    def _call(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        bound = bind(f"{self._kind}.{name}", self._table["methods"][name], arguments, named)
        self._world.said.append((f"{self._kind}.{name}", tuple(bound.values())))
        behaviour = self._world.behaviours.get(f"{self._kind}.{name}")
        return behaviour(self, **bound) if behaviour else None


def bind(what: str, overloads: list[list[str]], arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, for the first overload they fit. Raises TypeError for none."""
    for overload in overloads:
        names = [name.rstrip("=") for name in overload]
        bound = {**dict(zip(names, arguments, strict=False)), **named}
        required = {name for name in overload if not name.endswith("=")}
        no_name_twice = len(bound) == len(arguments) + len(named)
        if len(arguments) <= len(names) and required <= set(bound) <= set(names) and no_name_twice:
            return bound
    raise TypeError(f"{what} takes {overloads}, got {arguments} {named}")


class World:
    """What one stand-in machine does: its graph, its DLA cores, its answers, and all that was said to it."""

    def __init__(self, version: str, **settings: Any) -> None:
        self.table = signatures()[version]
        self.said: list[tuple[str, Any]] = []
        self.errors: list[tuple[str, str, str]] = settings.pop("parser_errors", [])
        self.log_lines: list[tuple[str, str]] = settings.pop("log_lines", [])
        self.plan: bytes | None = settings.pop("plan", b"ftrt of a stand-in")
        self.loads: bool = settings.pop("loads", True)
        self.dla_cores: int = settings.pop("dla_cores", 0)
        self.profile_index: int = settings.pop("profile_index", 0)
        self.timing_cache_fits: bool = settings.pop("timing_cache_fits", True)
        self.inspector: str = settings.pop("inspector", "")
        self.precision: str = settings.pop("precision", "fp32")
        assert not settings, settings
        self.behaviours: dict[str, Callable[..., Any]] = self._behaviours()
        self.module = self._module(version)

    def calls(self, name: str) -> list[Any]:
        """Return what was given to every call or assignment of a name."""
        return [value for said, value in self.said if said == name]

    def new(self, kind: str, **values: Any) -> Recorded:
        """Return an object of a recorded class."""
        return Recorded(kind, self.table, self, **values)

    def _module(self, version: str) -> Any:
        module: Any = ModuleType("tensorrt")
        module.__version__ = version
        for name, entry in self.table.items():
            if "members" in entry:
                setattr(module, name, enum.IntEnum(name, entry["members"], start=0))
            elif name in SUBCLASSED:
                setattr(module, name, type(name, (), {}))
        for name in ("Builder", "OnnxParser", "Runtime"):
            setattr(module, name, self._constructor(name))
        return module

    def _constructor(self, kind: str) -> Callable[..., Recorded]:
        def construct(*arguments: Any, **named: Any) -> Recorded:
            bound = bind(kind, self.table[kind]["methods"]["__init__"], arguments, named)
            values = {"num_DLA_cores": self.dla_cores, "num_errors": len(self.errors)}
            # What a constructor keeps under a property's name is readable there.
            return self.new(kind, **values, **{f"_{name}": value for name, value in bound.items()})

        return construct

    def _tensor(self, name: str, dtype: str, shape: tuple[int, ...]) -> Recorded:
        return self.new("ITensor", name=name, dtype=self.module.DataType[dtype], shape=shape)

    def _layers(self) -> list[Recorded]:
        """Return the layers of a graph: one convolution, behind a DequantizeLinear for int8."""
        kind = {"fp32": "FLOAT", "fp16": "HALF", "int8": "FLOAT"}[self.precision]
        source = self._tensor("stem_in", kind, (-1, 3, 24, 32))
        types = self.module.LayerType
        layers = [self.new("ILayer", name="stem", type=types.CONVOLUTION, num_outputs=1)]
        layers[0]._values["_tensors"] = (source, self._tensor("grid", kind, (-1, 6, 3, 4)))
        if self.precision == "int8":
            layers.insert(0, self.new("ILayer", name="stem_DQ", type=types.DEQUANTIZE, num_outputs=1))
            layers[0]._values["_tensors"] = (self._tensor("stem_q", "INT8", (-1, 3, 24, 32)), source)
        return layers

    def _behaviours(self) -> dict[str, Callable[..., Any]]:
        tensors = {
            "image": ("UINT8", (-1, 24, 32, 3)),
            "offsets": ("FLOAT", (-1, 12, 4)),
            "scores": ("FLOAT", (-1, 12, 2)),
        }
        outputs = ["offsets", "scores"]

        def network(builder: Recorded, flags: int = 0) -> Recorded:
            layers = self._layers()
            made = self.new("INetworkDefinition", num_inputs=1, num_outputs=2, num_layers=len(layers))
            made._values["_layers"] = layers
            return made

        def error(parser: Recorded, index: int) -> Recorded:
            return self.new("ParserError", _error=self.errors[index])

        def build(builder: Recorded, network: Recorded, config: Recorded) -> bytes | None:
            monitor = config._values.get("progress_monitor")
            methods = self.table["IProgressMonitor"]["methods"]
            monitor.phase_start(**dict(zip(methods["phase_start"][0], ("Build", None, 2), strict=True)))
            going = monitor.step_complete(**dict(zip(methods["step_complete"][0], ("Build", 0), strict=True)))
            monitor.phase_finish("Build")
            log = builder._values["_logger"]
            for severity, line in self.log_lines:
                log.log(
                    **dict(
                        zip(
                            self.table["ILogger"]["methods"]["log"][0],
                            (SimpleNamespace(name=severity), line),
                            strict=True,
                        )
                    )
                )
            return self.plan if going else None

        return {
            "Builder.create_network": network,
            "Builder.create_builder_config": lambda builder: self.new("IBuilderConfig"),
            "Builder.create_optimization_profile": lambda builder: self.new("IOptimizationProfile"),
            "Builder.build_serialized_network": build,
            "IBuilderConfig.add_optimization_profile": lambda config, profile: self.profile_index,
            "IBuilderConfig.create_timing_cache": lambda config, serialized_timing_cache: self.new(
                "ITimingCache", _content=serialized_timing_cache
            ),
            "IBuilderConfig.set_timing_cache": lambda config, cache, ignore_mismatch: (
                self.timing_cache_fits or cache._values["_content"] == b""
            ),
            "ITimingCache.serialize": lambda cache: b"timings",
            "OnnxParser.parse_from_file": lambda parser, model: not self.errors,
            "OnnxParser.get_error": error,
            "OnnxParser.set_builder_config": lambda parser, builder_config: True,
            "ParserError.node_operator": lambda error: error._values["_error"][0],
            "ParserError.node_name": lambda error: error._values["_error"][1],
            "ParserError.desc": lambda error: error._values["_error"][2],
            "ParserError.code": lambda error: SimpleNamespace(name="UNSUPPORTED_NODE"),
            "INetworkDefinition.get_input": lambda network, index: self._tensor("image", *tensors["image"]),
            "INetworkDefinition.get_output": lambda network, index: self._tensor(
                outputs[index], *tensors[outputs[index]]
            ),
            "INetworkDefinition.get_layer": lambda network, index: network._values["_layers"][index],
            "ILayer.get_input": lambda layer, index: layer._values["_tensors"][0],
            "ILayer.get_output": lambda layer, index: layer._values["_tensors"][1],
            "Runtime.deserialize_cuda_engine": lambda runtime, serialized_engine: (
                self.new("ICudaEngine", device_memory_size_v2=4096, device_memory_size=4096) if self.loads else None
            ),
            "ICudaEngine.create_engine_inspector": lambda engine: self.new("EngineInspector"),
            "EngineInspector.get_engine_information": lambda inspector, format: self.inspector,
        }
