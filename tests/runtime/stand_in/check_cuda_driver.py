"""The driver interface, the same for pycuda and cuda-bindings."""

import ctypes
import os
import threading
from collections.abc import Callable

import numpy as np
import pytest

from edgessd.backends.cuda import Driver, open_driver
from edgessd.backends.cuda.errors import CudaError, DeviceLost, NoCuda, OutOfDeviceMemory, WrongThread
from edgessd.backends.cuda.library import state


def filled(driver: Driver, values: list[int]) -> "np.ndarray":
    pinned = driver.allocate_pinned(len(values), mapped=False)
    pinned.bytes[:] = values
    return pinned


def test_what_the_device_is(driver: Driver) -> None:
    assert (driver.device.name, driver.device.compute_capability) == ("Stand-in GPU", "8.6")
    assert driver.device.memory_bytes == 8 << 30
    assert not driver.device.integrated
    assert driver.name.startswith(os.environ["STAND_IN_DRIVER"])


def test_a_copy_happens_when_the_stream_is_waited_for(driver: Driver) -> None:
    stream = driver.create_stream()
    source, target = filled(driver, [1, 2, 3]), filled(driver, [0, 0, 0])
    pointer = driver.allocate(3)
    driver.copy_to_device(pointer, source.bytes, stream)
    driver.copy_to_host(target.bytes, pointer, stream)
    assert target.bytes.tolist() == [0, 0, 0]
    driver.synchronize(stream)
    assert target.bytes.tolist() == [1, 2, 3]


def test_an_event_is_done_once_its_stream_has_passed_it(driver: Driver) -> None:
    stream = driver.create_stream()
    start, stop = driver.create_event(timed=True), driver.create_event(timed=True)
    pointer, source = driver.allocate(1), filled(driver, [7])
    driver.record(start, stream)
    driver.copy_to_device(pointer, source.bytes, stream)
    driver.record(stop, stream)
    assert not driver.is_done(stop)
    driver.wait(stop)
    assert driver.is_done(stop)
    assert driver.elapsed_ms(start, stop) == 2.0  # the stand-in's clock ticks once an operation


def test_mapped_memory_has_an_address_for_the_device(driver: Driver) -> None:
    assert driver.allocate_pinned(16, mapped=True).pointer is not None
    assert driver.allocate_pinned(16, mapped=False).pointer is None


def test_a_graph_repeats_what_was_recorded(driver: Driver) -> None:
    stream = driver.create_stream()
    source, target, pointer = filled(driver, [5]), filled(driver, [0]), driver.allocate(1)
    driver.begin_capture(stream)
    driver.copy_to_device(pointer, source.bytes, stream)
    driver.copy_to_host(target.bytes, pointer, stream)
    graph = driver.end_capture(stream)
    assert target.bytes[0] == 0
    for value in (6, 9):
        source.bytes[0] = value
        driver.launch_graph(graph, stream)
        driver.synchronize(stream)
        assert target.bytes[0] == value
    driver.destroy_graph(graph)


def test_a_spoilt_capture_is_an_error_and_leaves_capture_mode(driver: Driver) -> None:
    stream = driver.create_stream()
    driver.begin_capture(stream)
    with pytest.raises(CudaError):
        driver.synchronize(stream)
    with pytest.raises(CudaError):
        driver.end_capture(stream)
    driver.synchronize(stream)


def test_too_much_memory_is_named(driver: Driver, stand_in: ctypes.CDLL) -> None:
    stand_in.stand_in_memory(1000)
    with pytest.raises(OutOfDeviceMemory, match=r"out of memory.*smaller batch"):
        driver.allocate(1001)
    driver.free(driver.allocate(1000))


def test_a_lost_device_is_named_and_survived(stand_in: ctypes.CDLL) -> None:
    with open_driver() as driver:
        stream = driver.create_stream()
        pointer, source = driver.allocate(4), filled(driver, [1, 2, 3, 4, 5, 6, 7, 8])
        driver.copy_to_device(pointer, source.bytes, stream)  # beyond the allocation
        with pytest.raises(DeviceLost, match="new process"):
            driver.synchronize(stream)
        with pytest.raises(DeviceLost):
            driver.check()


def test_another_thread_is_told_so(driver: Driver) -> None:
    raised: list[BaseException] = []

    def allocate() -> None:
        try:
            driver.allocate(4)
        except CudaError as error:
            raised.append(error)

    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
    assert isinstance(raised[0], WrongThread)
    assert "call it from that thread" in str(raised[0])


def test_all_that_is_left_is_freed_at_the_end(stand_in: ctypes.CDLL, calls: Callable[[], list[str]]) -> None:
    def leave_in_the_middle() -> None:
        with open_driver() as driver:
            stream = driver.create_stream()
            driver.allocate(10)
            driver.allocate_pinned(10, mapped=False)
            driver.create_event(timed=False)
            driver.begin_capture(stream)
            driver.end_capture(stream)
            raise RuntimeError("mid-way")

    with pytest.raises(RuntimeError, match="mid-way"):
        leave_in_the_middle()
    assert calls().count("cuDevicePrimaryCtxRelease") == 1


def test_nested_drivers_share_the_primary_context(driver: Driver) -> None:
    with open_driver() as inner:
        inner.free(inner.allocate(4))
    driver.free(driver.allocate(4))


@pytest.mark.parametrize(
    ("code", "fix"), [(100, "--gpus all"), (803, "restart the machine"), (34, "stubs"), (999, "nvidia_uvm")]
)
def test_a_driver_that_does_not_start_says_what_to_do(stand_in: ctypes.CDLL, code: int, fix: str) -> None:
    stand_in.stand_in_init(code)
    with pytest.raises(NoCuda, match=fix), open_driver():
        pass
    assert fix in str(state().fix)


def test_a_driver_without_devices(stand_in: ctypes.CDLL) -> None:
    stand_in.stand_in_devices(0)
    assert "sees no device" in str(state().problem)


def test_state_names_version_and_devices(stand_in: ctypes.CDLL) -> None:
    found = state()
    assert (found.driver_version, found.devices[0].name, found.problem) == ("12.6", "Stand-in GPU", None)


def test_a_kernel_that_is_not_there(driver: Driver) -> None:
    with pytest.raises(CudaError):
        driver.load_kernel(b".target sm_75\n.entry other(", "resize_bgr")


def test_text_that_is_no_ptx(driver: Driver) -> None:
    with pytest.raises(CudaError):
        driver.load_kernel(b"hello", "resize_bgr")
