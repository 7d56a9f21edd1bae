"""What stands for a served model, and a server that answers something else: no such answer is believed."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers.cameras import free_port

from edgessd import Detector, ModelCard
from edgessd.backends.triton.address import TritonAddress, triton_address
from edgessd.backends.triton.tensors import LENGTH_HEADER, request, tensors
from edgessd.commands.cli import run
from edgessd.errors import BackendError, CardError, EdgessdError, InputError
from edgessd.model.card import card_of
from edgessd.models import model_path

TINY = Path(__file__).parent / "tiny.onnx"


@pytest.fixture(scope="module")
def card() -> ModelCard:
    """A card of the contract that Triton serves: three rows of boxes."""
    return card_of(model_path("default")).with_changes(contract="end2end", kept=3, self_test={})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("triton://host/net", TritonAddress("host", 8000, "net")),
        ("triton://10.0.0.5:9000/net_pictures", TritonAddress("10.0.0.5", 9000, "net_pictures")),
        ("triton://[::1]:8000/n", TritonAddress("::1", 8000, "n")),
        ("triton+https://host/net", TritonAddress("host", 443, "net", tls=True)),
        ("default", None),
        ("models/net.onnx", None),
    ],
)
def test_an_address_names_host_port_and_model(text: str, address: TritonAddress | None) -> None:
    assert triton_address(text) == address
    if address is not None:
        assert triton_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("triton://host", "the name of one model"),
        ("triton://host/a/b", "the name of one model"),
        ("triton:///net", "names no host"),
        ("triton://host:99999/net", "no possible host or port"),
        ("triton://me:secret@host/net", "takes no user"),
        ("triton://host/net?a=1", "takes no user, query"),
        ("triton+grpc://host/net", "not gRPC"),
        ("triton+http://host/net", "no scheme"),
    ],
)
def test_half_an_address_is_refused_without_being_shown(text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        triton_address(text)
    assert words in str(error.value)
    assert "secret" not in str(error.value)


def answer(card: ModelCard, batch: int, **changes: Any) -> tuple[bytes, int]:
    """Return an answer as Triton gives one, with some of the JSON's first output changed."""
    shapes = {"boxes": (batch, 3, 4), "scores": (batch, 3), "classes": (batch, 3), "count": (batch, 1)}
    arrays = {
        name: np.arange(np.prod(shape)).astype(np.float32 if name in ("boxes", "scores") else np.int32).reshape(shape)
        for name, shape in shapes.items()
    }
    types = {"float32": "FP32", "int32": "INT32"}
    outputs = [
        {
            "name": name,
            "datatype": types[array.dtype.name],
            "shape": list(array.shape),
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in arrays.items()
    ]
    outputs[0] |= changes
    text = json.dumps({"model_name": "net", "outputs": outputs}).encode()
    return text + b"".join(array.tobytes() for array in arrays.values()), len(text)


def test_tensors_come_out_by_the_cards_shapes(card: ModelCard) -> None:
    boxes, scores, classes, count = tensors(*answer(card, 2), card, 2)
    assert boxes.shape == (2, 3, 4)
    assert boxes.ravel().tolist() == list(range(24))
    assert scores.shape == classes.shape == (2, 3)
    assert count.shape == (2,)
    assert count.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": {"binary_data_size": 1 << 40}}, "must have 96 bytes"),
        ({"parameters": {}}, "must have 96 bytes"),
        ({"parameters": None}, "with binary data"),
        ({"datatype": "BYTES"}, "none of the card's"),
        ({"datatype": "INT32"}, "none of the card's"),
        ({"name": "other"}, "none of the card's"),
        ({"name": ["boxes"]}, "none of the card's"),
        ({"name": "scores"}, "must have"),
    ],
)
def test_an_answer_that_is_not_the_cards_is_refused(card: ModelCard, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        tensors(*answer(card, 2, **changes), card, 2)


def test_an_answer_that_is_cut_off_is_refused(card: ModelCard) -> None:
    body, length = answer(card, 1)
    for end in (0, length - 1, length, len(body) - 1):
        with pytest.raises(InputError):
            tensors(body[:end], length, card, 1)


def test_a_request_tells_where_its_json_ends(card: ModelCard) -> None:
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    body, length = request(images, card)
    text = json.loads(body[:length])
    assert text["inputs"][0]["shape"] == [2, 4, 5, 3]
    assert [output["name"] for output in text["outputs"]] == ["boxes", "scores", "classes", "count"]
    assert body[length:] == images.tobytes()


Reply = tuple[int, bytes, dict[str, str]]


@contextmanager
def server(reply: Callable[[str], Reply]) -> Iterator[int]:
    """Yield the port of a server that answers what ``reply`` says to a path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body, headers = reply(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield listening.server_address[1]
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def config(text: object, batch: object = 8) -> bytes:
    return json.dumps({"max_batch_size": batch, "parameters": {"edgessd": {"string_value": text}}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, b"<html>", BackendError, "does not speak Triton's protocol"),
        (200, b"[]", CardError, "without an edgessd card"),
        (200, b'{"parameters": {"edgessd": 5}}', CardError, "without an edgessd card"),
        (200, config("{}"), CardError, "is damaged"),
        (200, b"x" * (20 << 20), InputError, "answers more than"),
        (404, b"\x1b[31mno", InputError, "HTTP 404"),
        (400, b'{"error": "no \\u001b[31mmodel"}', InputError, "no \\x1b[31mmodel"),
        (500, b'{"error": "broken"}', BackendError, "cannot answer now (broken)"),
    ],
)
def test_what_is_no_served_model_is_told_in_a_line(
    status: int, body: bytes, kind: type[EdgessdError], words: str
) -> None:
    with server(lambda _: (status, body, {})) as port, pytest.raises(kind) as error:
        Detector(f"triton://127.0.0.1:{port}/net")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_answers_of_another_shape_are_refused(card: ModelCard) -> None:
    body, length = answer(card, 1, name="other")

    def reply(path: str) -> Reply:
        if path.endswith("/config"):
            return 200, config(card.dumps()), {}
        return 200, body, {LENGTH_HEADER: str(length)}

    with server(reply) as port, pytest.raises(BackendError, match="an answer that is not its card's"):
        Detector(f"triton://127.0.0.1:{port}/net")


def test_a_server_that_is_away_at_the_start_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    photo = str(Path(__file__).parents[2] / "runtime/edgessd/photos/cat.jpg")
    assert run(["detect", photo, "--url", f"triton://127.0.0.1:{free_port()}/net"]) == 1
    assert "refuses connections" in " ".join(capsys.readouterr().err.split())
    assert run(["detect", photo, "--url", "http://127.0.0.1/net"]) == 2
    assert "--url is triton://" in " ".join(capsys.readouterr().err.split())
    assert run(["detect", photo, "--url", "triton://127.0.0.1/net", "--model", str(TINY)]) == 2
    assert "both name a model" in " ".join(capsys.readouterr().err.split())


def test_a_verb_that_needs_the_file_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "triton://127.0.0.1/net"]) == 2
    assert "this needs a model's file" in " ".join(capsys.readouterr().err.split())
