"""Compiles the runtime's kernel, resize.cu to resize.ptx, with NVRTC: `python export/compile_ptx.py`.

Run it on a developer's machine after the kernel was changed; no GPU is needed and devices compile nothing but the
PTX, by their driver. NVRTC 12.6 writes PTX 8.5, which JetPack 6 and every driver from CUDA 12.5 on load; a newer
NVRTC writes a newer PTX, which they refuse. ``pip install nvidia-cuda-nvrtc-cu12==12.6.85`` brings it.
"""

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

from edgessd.backends.cuda.resize import PTX
from edgessd.errors import MissingExtra
from edgessd.util.files import replacing

SOURCE = PTX.with_suffix(".cu")
VERSION = (12, 6)
# sm_75 is the oldest that TensorRT 10 runs on; without fused multiply-add numpy gives the same bytes.
OPTIONS = (b"--gpu-architecture=compute_75", b"--fmad=false")
PINNED = "nvidia-cuda-nvrtc-cu12==12.6.85"


def nvrtc() -> ctypes.CDLL:
    """Return the compiler's library. Raises MissingExtra where the pinned wheel is not installed."""
    spec = find_spec("nvidia.cuda_nvrtc") if find_spec("nvidia") else None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in Path(folder).glob("lib/libnvrtc.so.12"):
            compiler = ctypes.CDLL(str(library))
            major, minor = ctypes.c_int(), ctypes.c_int()
            compiler.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
            if (major.value, minor.value) == VERSION:
                return compiler
    raise MissingExtra(f"this needs NVRTC {VERSION[0]}.{VERSION[1]}", fix=f"pip install {PINNED}")


def compile_ptx(source: str) -> bytes:
    """Return the PTX of a CUDA source. Raises MissingExtra without NVRTC, SyntaxError with its complaints."""
    compiler = nvrtc()
    program = ctypes.c_void_p()
    compiler.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"resize.cu", 0, None, None)
    try:
        failed = compiler.nvrtcCompileProgram(program, len(OPTIONS), (ctypes.c_char_p * len(OPTIONS))(*OPTIONS))
        if failed:
            raise SyntaxError(_text(compiler, program, "ProgramLog").decode())
        return _text(compiler, program, "PTX")
    finally:
        compiler.nvrtcDestroyProgram(ctypes.byref(program))


def _text(compiler: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(compiler, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(compiler, f"nvrtcGet{what}")(program, text)
    return text.value


def main() -> None:
    """Write the PTX beside its source."""
    with replacing(PTX) as unfinished:
        unfinished.write_bytes(compile_ptx(SOURCE.read_text(encoding="utf-8")))
    sys.stdout.write(f"{PTX}: {PTX.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
