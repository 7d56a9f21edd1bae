"""A model of Triton's python backend: an encoded picture or a frame in, boxes out. `edgessd deploy` copies this file.

Triton imports it inside its own process, where edgessd must be installed. The tensors are those of the contract
``end2end``: boxes (K, 4) float32 xyxy, fractions of the picture; scores (K,); classes (K,); the first ``count`` count.
"""

from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton
from numpy.typing import NDArray

from edgessd import Detector
from edgessd.errors import EdgessdError, InputError
from edgessd.model.preprocess import to_input
from edgessd.sources import decode_image


class TritonPythonModel:
    """Runs the network beside this file on edgessd's own backends."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the network and check it by its self-test."""
        sent = np.arange(6, dtype=np.uint8).reshape(2, 3)
        if not np.array_equal(triton.Tensor("image", sent).as_numpy(), sent):
            raise RuntimeError(
                f"this Triton gives other values than it was sent with NumPy {np.__version__}: install 'numpy<2'"
            )
        self._detector = Detector(Path(args["model_repository"]) / args["model_version"] / "model.onnx")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests of one batch by one call of the network; a wrong request fails alone."""
        read = [self._read(request) for request in requests]
        images = [image for part in read if not isinstance(part, EdgessdError) for image in part]
        outputs = self._detector.backend.infer(np.stack(images)) if images else ()
        counts = [0 if isinstance(part, EdgessdError) else len(part) for part in read]
        ends = accumulate(counts)
        return [
            triton.InferenceResponse(error=triton.TritonError(str(part), triton.TritonError.INVALID_ARG))
            if isinstance(part, EdgessdError)
            else self._response([tensor[end - count : end] for tensor in outputs])
            for part, count, end in zip(read, counts, ends, strict=True)
        ]

    def _read(self, request: Any) -> list[NDArray[np.uint8]] | EdgessdError:
        """Return the network's inputs of one request, or what is wrong with it."""
        tensors = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        card = self._detector.card
        try:
            if len(tensors) != 1:
                raise InputError(f"a request has image or picture, got {len(tensors)} inputs", fix="send one of them")
            if "image" in tensors:
                frames = list(tensors["image"])
            else:
                frames = [decode_image(content, "the picture") for content in tensors["picture"][:, 0]]
            return [to_input(frame, card.height, card.width) for frame in frames]
        except EdgessdError as error:
            return error

    def _response(self, outputs: list[NDArray[Any]]) -> Any:
        named = zip(self._detector.card.outputs, outputs, strict=True)
        return triton.InferenceResponse(
            [triton.Tensor(name, np.ascontiguousarray(_with_a_dimension(tensor))) for name, tensor in named]
        )

    def finalize(self) -> None:
        """Free the network."""
        self._detector.close()


def _with_a_dimension(tensor: NDArray[Any]) -> NDArray[Any]:
    """Return ``count``, which has no dimension but the batch, as Triton wants it: (B, 1)."""
    return tensor[:, None] if tensor.ndim == 1 else tensor
