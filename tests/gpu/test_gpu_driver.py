"""The driver layer and the resize kernel on a real GPU."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy_resize import numpy_resize

from edgessd.backends.cuda.driver import Driver, Pinned
from edgessd.backends.cuda.errors import OutOfDeviceMemory, WrongThread
from edgessd.backends.cuda.resize import FrameResizer, load_resize_kernel
from edgessd.model.preprocess import to_input

MEBIBYTE = 1 << 20


def pinned(driver: Driver, values: np.ndarray) -> Pinned:
    block = driver.allocate_pinned(values.nbytes, mapped=False)
    block.bytes[:] = values.reshape(-1)
    return block


def noise(size: int) -> np.ndarray:
    return np.random.RandomState(size % 1000).randint(0, 256, size).astype(np.uint8)


def test_what_is_copied_comes_back(driver: Driver) -> None:
    values = noise(MEBIBYTE + 3)
    stream, pointer = driver.create_stream(), driver.allocate(values.size)
    source, target = pinned(driver, values), driver.allocate_pinned(values.size, mapped=False)
    driver.copy_to_device(pointer, source.bytes, stream)
    driver.copy_to_host(target.bytes, pointer, stream)
    driver.synchronize(stream)
    np.testing.assert_array_equal(target.bytes, values)


def test_events_measure_and_end(driver: Driver) -> None:
    stream, start, stop = driver.create_stream(), driver.create_event(timed=True), driver.create_event(timed=True)
    source, pointer = pinned(driver, noise(16 * MEBIBYTE)), driver.allocate(16 * MEBIBYTE)
    driver.record(start, stream)
    driver.copy_to_device(pointer, source.bytes, stream)
    driver.record(stop, stream)
    driver.wait(stop)
    assert driver.is_done(stop)
    assert driver.elapsed_ms(start, stop) > 0


def test_a_graph_repeats_with_new_data(driver: Driver) -> None:
    stream, pointer = driver.create_stream(), driver.allocate(4)
    source, target = pinned(driver, noise(4)), driver.allocate_pinned(4, mapped=False)
    driver.begin_capture(stream)
    driver.copy_to_device(pointer, source.bytes, stream)
    driver.copy_to_host(target.bytes, pointer, stream)
    graph = driver.end_capture(stream)
    for value in range(3):
        source.bytes[:] = value
        driver.launch_graph(graph, stream)
        driver.synchronize(stream)
        assert target.bytes.tolist() == [value] * 4
    driver.destroy_graph(graph)


def test_mapped_memory_is_read_by_the_device(driver: Driver) -> None:
    block = driver.allocate_pinned(4, mapped=True)
    assert block.pointer is not None
    block.bytes[:] = [1, 2, 3, 4]
    stream, target = driver.create_stream(), driver.allocate_pinned(4, mapped=False)
    driver.copy_to_host(target.bytes, block.pointer, stream)
    driver.synchronize(stream)
    assert target.bytes.tolist() == [1, 2, 3, 4]


def test_too_much_memory_is_named_and_survived(driver: Driver) -> None:
    with pytest.raises(OutOfDeviceMemory):
        driver.allocate(driver.device.memory_bytes * 2)
    driver.free(driver.allocate(MEBIBYTE))


def test_another_thread_is_refused(driver: Driver) -> None:
    raised: list[BaseException] = []

    def allocate() -> None:
        try:
            driver.allocate(4)
        except WrongThread as error:
            raised.append(error)

    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
    assert raised


LOSE = """
import sys, numpy as np
from edgessd.backends.cuda import open_driver
from edgessd.backends.cuda.errors import DeviceLost
from edgessd.backends.cuda.resize import load_resize_kernel
with open_driver(sys.argv[1]) as driver:
    stream, kernel = driver.create_stream(), load_resize_kernel(driver)
    nowhere, size = np.uint64(0x10), np.int32(8)
    driver.launch(kernel, (1, 1), (8, 8), (nowhere, size, size, nowhere, size, size), stream)
    try:
        driver.synchronize(stream)
    except DeviceLost as error:
        print("lost:", error)
print("survived")
"""


def test_a_lost_device_is_named_and_the_process_survives(driver: Driver) -> None:
    library = driver.name.split()[0]
    child = subprocess.run([sys.executable, "-c", LOSE, library], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    assert child.stdout.startswith("lost: ")
    assert child.stdout.endswith("survived\n")


@pytest.mark.parametrize(
    ("height", "width", "to_height", "to_width"),
    [(720, 1280, 300, 300), (1080, 1920, 320, 512), (24, 32, 48, 64), (7, 5, 300, 300)],
)
def test_the_kernel_gives_numpys_bytes_and_opencvs_within_a_level(
    driver: Driver, figure: list[str], height: int, width: int, to_height: int, to_width: int
) -> None:
    frame = noise(height * width * 3).reshape(height, width, 3)
    stream = driver.create_stream()
    target, answer = (
        driver.allocate(to_height * to_width * 3),
        driver.allocate_pinned(to_height * to_width * 3, mapped=False),
    )
    resizer = FrameResizer(driver, load_resize_kernel(driver), to_height, to_width)
    resizer.enqueue(frame, target, stream)
    driver.copy_to_host(answer.bytes, target, stream)
    driver.synchronize(stream)
    resizer.close()
    ours = answer.bytes.reshape(to_height, to_width, 3)
    np.testing.assert_array_equal(ours, numpy_resize(frame, to_height, to_width))
    difference = np.abs(ours.astype(int) - to_input(frame, to_height, to_width).astype(int))
    assert difference.mean() < 1
    figure.append(
        f"{driver.name}: resize {width}x{height} to {to_width}x{to_height} equals numpy; from OpenCV "
        f"{difference.mean():.3f} grey levels on average, {difference.max()} at most"
    )
