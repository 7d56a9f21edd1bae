"""NVIDIA's own client, run by the interpreter that has it: `triton_client.py CHECK ...` prints a JSON object.

schema CONFIG...       the configurations as Triton's protobuf schema reads them
ask PORTS MODEL IMAGE  one picture, encoded and as a frame, over HTTP and gRPC; and what is refused
many PORT MODEL IMAGE COUNT CLIENTS   so many requests at once
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from google.protobuf import text_format
from google.protobuf.json_format import MessageToDict
from tritonclient.grpc import model_config_pb2

OUTPUTS = ("boxes", "scores", "classes", "count")
TYPES = {"object": "BYTES", "uint8": "UINT8", "float32": "FP32"}


def schema(*paths):
    configs = [text_format.Parse(Path(path).read_text(), model_config_pb2.ModelConfig()) for path in paths]
    return [MessageToDict(config, preserving_proto_field_name=True) for config in configs]


def infer(protocol, client, model, **arrays):
    inputs = []
    for name, array in arrays.items():
        inputs.append(protocol.InferInput(name, list(array.shape), TYPES[array.dtype.name]))
        inputs[-1].set_data_from_numpy(array)
    answer = client.infer(model, inputs)
    return {name: answer.as_numpy(name) for name in OUTPUTS}


def ask(http_port, grpc_port, model, image):
    content = Path(image).read_bytes()
    frame = cv2.imread(image)
    wrong = {
        "no batch": {"image": frame[:2]},
        "two channels": {"image": frame[None, ..., :2]},
        "floats": {"image": frame[None].astype(np.float32)},
        "too many": {"image": np.zeros((99, 8, 8, 3), np.uint8)},
        "both": {"image": frame[None], "picture": np.array([[content]], object)},
        "no picture": {"picture": np.array([[b"nonsense"]], object)},
        "half a picture": {"picture": np.array([[content[: len(content) // 2]]], object)},
        "unknown": {"frame": frame[None]},
    }
    found = {}
    for protocol, port in ((http, http_port), (grpc, grpc_port)):
        with protocol.InferenceServerClient(f"127.0.0.1:{port}") as client:
            refused = {}
            for name, arrays in wrong.items():
                try:
                    infer(protocol, client, model, **arrays)
                except protocol.InferenceServerException as error:
                    refused[name] = str(error)
            answers = {
                "picture": infer(protocol, client, model, picture=np.array([[content]], object)),
                "image": infer(protocol, client, model, image=frame[None]),
                "batch": infer(protocol, client, model, image=np.stack([frame, frame[::-1]])),
            }
            rows = {name: {key: array.tolist() for key, array in answer.items()} for name, answer in answers.items()}
            found[protocol.__name__.rpartition(".")[2]] = {**rows, "refused": refused}
    return found


def many(port, model, image, count, clients):
    content = np.array([[Path(image).read_bytes()]], object)

    def some(number):
        with http.InferenceServerClient(f"127.0.0.1:{port}") as client:
            return [infer(http, client, model, picture=content)["count"].item() for _ in range(number)]

    with ThreadPoolExecutor(int(clients)) as pool:
        shares = pool.map(some, [int(count) // int(clients)] * int(clients))
        return [count for share in shares for count in share]


if __name__ == "__main__":
    print(json.dumps({"schema": schema, "ask": ask, "many": many}[sys.argv[1]](*sys.argv[2:])))
