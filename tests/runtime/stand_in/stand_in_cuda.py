"""Compiles the stand-in libcuda.so.1 and loads it into this process, before pycuda looks for the real one."""

import ctypes
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNEL = HERE.parents[2] / "runtime" / "edgessd" / "backends" / "cuda" / "kernels" / "resize.cu"
LOADED: list[ctypes.CDLL] = []  # the stand-in of this process, once it is loaded
COMPILER = shutil.which("c++") or shutil.which("g++")


def build(folder: Path) -> Path:
    """Return the stand-in library, compiled into a folder."""
    source = (HERE / "libcuda.cpp").read_text()
    absent = sorted(pycuda_symbols() - set(re.findall(r"\b(cu[A-Z]\w+)\(", source)))
    (folder / "absent.h").write_text("".join(f"ABSENT({name})\n" for name in absent))
    library = folder / "libcuda.so.1"
    command = [str(COMPILER), "-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-w"]
    command += [f'-DKERNEL_SOURCE="{KERNEL}"', f"-I{folder}", "-Wl,-soname,libcuda.so.1"]
    subprocess.run([*command, "-o", str(library), str(HERE / "libcuda.cpp"), "-ldl"], check=True)
    return library


def load(library: Path) -> ctypes.CDLL:
    """Return the stand-in, loaded so that every later search for libcuda.so.1 finds it."""
    loaded = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    loaded.stand_in_calls.restype = ctypes.c_char_p
    loaded.stand_in_alive.restype = ctypes.c_long
    loaded.stand_in_memory.argtypes = [ctypes.c_size_t]
    loaded.stand_in_on_device.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    loaded.stand_in_enqueue.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    loaded.stand_in_capturing.argtypes = [ctypes.c_void_p]
    LOADED.append(loaded)
    return loaded


def pycuda_symbols() -> set[str]:
    """Return the driver's functions that the installed pycuda links against; none where it is absent."""
    spec = find_spec("pycuda")
    if not spec or not spec.origin:
        return set()
    names: set[str] = set()
    for extension in Path(spec.origin).parent.glob("_driver*.so"):
        names |= set(re.findall(r"\0(cu[A-Z][A-Za-z0-9]+(?:_v\d)?)(?=\0)", extension.read_bytes().decode("latin-1")))
    return names
