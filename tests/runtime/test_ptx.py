"""The resize kernel: its PTX is what its source gives, and its arithmetic that of OpenCV within a grey level."""

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy_resize import numpy_resize

from compile_ptx import PINNED, PTX, SOURCE, compile_ptx, nvrtc
from edgessd.errors import MissingExtra
from edgessd.model.preprocess import to_input

HOST = """
#include <cmath>
#include <algorithm>
#define __global__
struct Index {{ unsigned x, y; }};
static Index blockIdx, blockDim = {{1, 1}}, threadIdx = {{0, 0}};
using std::min;
#include "{source}"
extern "C" void resize(const unsigned char *source, int source_height, int source_width, unsigned char *target,
                       int height, int width) {{
    for (blockIdx.y = 0; blockIdx.y < (unsigned)height; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < (unsigned)width; ++blockIdx.x)
            resize_bgr(source, source_height, source_width, target, height, width);
}}
"""
SIZES = [
    (720, 1280, 300, 300),
    (480, 640, 320, 512),
    (24, 32, 48, 64),
    (7, 5, 300, 300),
    (1, 1, 4, 3),
    (300, 300, 7, 9),
]


def photograph(height: int, width: int) -> np.ndarray:
    """Return soft blobs with some noise."""
    random = np.random.RandomState(height * width)
    blobs = cv2.resize(random.randint(0, 256, (9, 16, 3)).astype(np.uint8), (width, height))
    return (blobs.astype(int) + random.randint(-20, 21, blobs.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width", "to_height", "to_width"), SIZES)
def test_the_arithmetic_is_opencvs_within_a_grey_level(height: int, width: int, to_height: int, to_width: int) -> None:
    image = photograph(height, width)
    ours = numpy_resize(image, to_height, to_width).astype(int)
    theirs = to_input(image, to_height, to_width).astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - theirs).mean() < 0.5


@pytest.fixture(scope="module")
def kernel_on_the_cpu(tmp_path_factory: pytest.TempPathFactory):
    """Return the kernel's own source, compiled for the CPU."""
    compiler = shutil.which("c++")
    if not compiler:
        pytest.skip("no C++ compiler here: the kernel's source cannot run on the CPU")
    folder: Path = tmp_path_factory.mktemp("kernel")
    (folder / "host.cpp").write_text(HOST.format(source=SOURCE))
    command = [compiler, "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-o", folder / "host.so", folder / "host.cpp"]
    subprocess.run(command, check=True)
    return np.ctypeslib.load_library("host", folder)


@pytest.mark.parametrize(("height", "width", "to_height", "to_width"), SIZES)
def test_the_kernels_source_gives_the_same_bytes(
    kernel_on_the_cpu, height: int, width: int, to_height: int, to_width: int
) -> None:
    image = photograph(height, width)
    target = np.zeros((to_height, to_width, 3), np.uint8)
    kernel_on_the_cpu.resize(image.ctypes, height, width, target.ctypes, to_height, to_width)
    np.testing.assert_array_equal(target, numpy_resize(image, to_height, to_width))


def test_the_committed_ptx_is_what_the_source_gives() -> None:
    try:
        nvrtc()
    except MissingExtra:
        pytest.skip(f"{PINNED} is not installed")
    assert compile_ptx(SOURCE.read_text()) == PTX.read_bytes(), "run `python export/compile_ptx.py`"


def test_drivers_from_cuda_12_5_on_load_the_ptx() -> None:
    text = PTX.read_text()
    assert ".version 8.5\n.target sm_75\n" in text
    assert ".visible .entry resize_bgr(" in text
    assert "fma" not in text


def test_a_wrong_source_is_shown_with_the_compilers_words() -> None:
    try:
        nvrtc()
    except MissingExtra:
        pytest.skip(f"{PINNED} is not installed")
    with pytest.raises(SyntaxError, match="no storage class"):
        compile_ptx("nonsense")
