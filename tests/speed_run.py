"""A run of the speed comparison with figures made up by hand: ours, a peer, a broken one, an absent one."""

from typing import Any

from comparison.entry import OURS, PEER, Accuracy, Entry, Played
from comparison.limits import LIMIT, YARDSTICK
from comparison.record import run_record
from comparison.rounds import Plan, Series
from comparison.worker import Block, Facts


def block(ms: float, cpu_ms: float = 1.0) -> Block:
    seconds = [ms / 1e3] * 3
    return Block(seconds, [(0.1 * ms / 1e3, 0.8 * ms / 1e3, 0.1 * ms / 1e3)] * 3, cpu_ms / 1e3, 100.0, None)


def series(name: str, group: str, *blocks: Block | None, gmac: float | None = None, **options: Any) -> Series:
    family = options.pop("family", "edgessd")
    return Series(Entry(name, group, family, **options), Facts(gmac, "fp32"), list(blocks))


def made_up_run(ours_ms: float = 2.0, cpu_ms: float = 4.0) -> dict[str, Any]:
    ours = series("edgessd m int8, openvino", OURS, block(ours_ms, cpu_ms), block(2 * ours_ms, cpu_ms), gmac=0.5)
    ours.played = [Played(100, 1.0, 1.9, {"overhead": {"p50": 0.5}}, 0.1), Played(100, 1.0, 1.9, {}, 0.1)]
    peer = series("peer", PEER, block(10), block(24), accuracy=Accuracy(25.1, "coco", "its page"))
    peer.played = [Played(40, 1.0, 1.6), None]
    broken = Series(Entry("broken", PEER, "torchvision"), None, [None, None], [], "ImportError: no nms")
    rate = series("convolution", LIMIT, block(10), block(20), gmac=1.0, family="rate")
    yardstick = series(YARDSTICK, LIMIT, block(1, 0.5), block(1, 0.5), family="yardstick")
    absent = Entry("absent", PEER, "ultralytics", needs=("no_such_module",))
    return run_record([ours, peer, broken, rate, yardstick], [absent], Plan(rounds=2), "1280x720", quick=True)
