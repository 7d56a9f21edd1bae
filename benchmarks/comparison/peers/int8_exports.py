"""Other projects' exports in int8, by the tool that their engine's makers ship for it."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from edgessd.util.files import replacing

CALIBRATION = 16


def int8_onnx(exported: Path, size: int) -> Path:
    """Return an exported ONNX file in int8 by ONNX Runtime's own static quantisation, made beside it once."""
    target = exported.with_name(f"{exported.stem}_int8.onnx")
    if target.exists():
        return target
    import onnx
    from onnxruntime import quantization

    source = onnx.load(str(exported))
    name = source.graph.input[0].name
    left = iter(calibration(size))
    images = SimpleNamespace(get_next=lambda: next(({name: image} for image in left), None))
    with replacing(target) as unfinished:
        quantization.quantize_static(str(exported), str(unfinished), images, per_channel=True)
        made = onnx.load(str(unfinished))
        del made.metadata_props[:]
        made.metadata_props.extend(source.metadata_props)  # names and strides, which their loader reads
        onnx.save(made, str(unfinished))
    return target


def int8_openvino(exported: Path, size: int) -> Path:
    """Return an exported OpenVINO folder in int8 by NNCF's defaults, made beside it once."""
    target = exported.with_name(f"{exported.name.removesuffix('_openvino_model')}_int8_openvino_model")
    if target.exists():
        return target
    import nncf
    import openvino

    model = openvino.Core().read_model(next(exported.glob("*.xml")))
    quantised = nncf.quantize(model, nncf.Dataset(calibration(size)), subset_size=CALIBRATION)
    unfinished = target.with_name(f"{target.name}_unfinished")
    shutil.copytree(exported, unfinished, dirs_exist_ok=True)
    openvino.save_model(quantised, next(unfinished.glob("*.xml")), compress_to_fp16=False)
    unfinished.rename(target)
    return target


def calibration(size: int) -> list[np.ndarray]:
    """Return pictures to calibrate on, (1, 3, size, size) float32, 0 to 1: for random weights any will do."""
    random = np.random.default_rng(2016)
    coarse = random.integers(0, 256, (CALIBRATION, 12, 12, 3), dtype=np.uint8)
    pictures = [cv2.resize(picture, (size, size)).transpose(2, 0, 1) for picture in coarse]
    return [(picture / np.float32(255))[None] for picture in pictures]
