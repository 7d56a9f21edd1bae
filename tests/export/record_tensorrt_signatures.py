"""Prints what a TensorRT binding offers to a builder, as JSON: methods with their arguments, properties, enum members.

    python record_tensorrt_signatures.py tensorrt_rtx

Run once per version to refresh tensorrt_signatures.json; the tests compare the table with whatever binding is
installed, and the stand-in modules allow no call that is not in it. It reads classes and docstrings only, creates
nothing and needs no GPU. The 10.x and 11.x bindings load without their libraries when empty libnvinfer,
libnvinfer_plugin and libnvonnxparser that define the imported symbols lie on LD_LIBRARY_PATH.
"""

import json
import re
import sys
from importlib import import_module
from typing import Any

CLASSES = (
    "Builder",
    "IBuilderConfig",
    "INetworkDefinition",
    "ILayer",
    "ITensor",
    "OnnxParser",
    "ParserError",
    "IOptimizationProfile",
    "ITimingCache",
    "IHostMemory",
    "Runtime",
    "ICudaEngine",
    "EngineInspector",
    "IProgressMonitor",
    "ILogger",
)
ENUMS = (
    "BuilderFlag",
    "NetworkDefinitionCreationFlag",
    "MemoryPoolType",
    "HardwareCompatibilityLevel",
    "ComputeCapability",
    "DeviceType",
    "ProfilingVerbosity",
    "LayerInformationFormat",
    "OnnxParserFlag",
    "LayerType",
    "DataType",
)


def signatures(docstring: str, method: str) -> list[list[str]]:
    """Return the arguments of every overload, without self; one with a default ends in ``=``."""
    found = []
    for arguments in re.findall(rf"^(?:\d+\. )?{method}\((.*)\) ->", docstring, re.MULTILINE):
        names = []
        for argument in re.split(r",\s*(?![^\[(]*[\])])", arguments):
            name = argument.split(":")[0].strip()
            if name != "self" and re.fullmatch(r"\w+", name):
                names.append(name + ("=" if " = " in argument else ""))
        found.append(names)
    return found


def describe(kind: type) -> dict[str, Any]:
    """Return the methods and properties of a class; a property's value says whether it can be set."""
    methods, properties = {}, {}
    for name in dir(kind):
        member = getattr(kind, name)
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(member, property):
            properties[name] = member.fset is not None
        elif callable(member):
            overloads = signatures(member.__doc__ or "", name)
            if overloads:
                methods[name] = overloads
    return {"methods": methods, "properties": properties}


def record(module: Any) -> dict[str, Any]:
    """Return the table of one binding; what it has not is left out."""
    table: dict[str, Any] = {name: describe(getattr(module, name)) for name in CLASSES if hasattr(module, name)}
    for name in ENUMS:
        if hasattr(module, name):
            table[name] = {"members": sorted(getattr(module, name).__members__)}
    return table


if __name__ == "__main__":
    loaded = import_module(sys.argv[1])
    print(json.dumps({loaded.__version__: record(loaded)}, sort_keys=True))
