import time
from pathlib import Path

import pytest

from edgessd.errors import InputError
from edgessd.sources import parse_address
from edgessd.sources.address import redact_pipeline, redact_url, without_credentials
from edgessd.sources.subprocess_source import csi_pipeline, ffmpeg_command, gst_command

SECRET = "geheim"


@pytest.mark.parametrize(
    ("text", "kind", "target", "name", "options"),
    [
        ("a.mp4", "path", "a.mp4", "a.mp4", {}),
        ("a.mp4?pace=15", "path", "a.mp4", "a.mp4", {"pace": "15"}),
        ("0", "camera", "0", "0", {}),
        ("/dev/video1?fps=9&fourcc=MJPG", "camera", "/dev/video1", "/dev/video1", {"fps": "9", "fourcc": "MJPG"}),
        ("csi://1?fps=60", "csi", "1", "csi://1", {"fps": "60"}),
        ("-?width=4&height=2", "stdin", "-", "-", {"width": "4", "height": "2"}),
        ("rtsp://h/a?channel=1#via=ffmpeg", "rtsp", "rtsp://h/a?channel=1", "rtsp://h/a?channel=1", {"via": "ffmpeg"}),
        ("http://u:p@h:80/a", "http", "http://u:p@h:80/a", "http://h:80/a", {}),
        ("gst:videotestsrc ! identity", "gst", "videotestsrc ! identity", "gst:videotestsrc ! identity", {}),
    ],
)  # fmt: skip
def test_an_address_taken_apart(text: str, kind: str, target: str, name: str, options: dict[str, str]) -> None:
    address = parse_address(text)
    assert (address.kind, address.target, address.name, dict(address.options)) == (kind, target, name, options)


@pytest.mark.parametrize(
    "text",
    [
        f"rtsp://admin:{SECRET}@10.0.0.5/live",
        f"rtsp://127.0.0.1:1/user=admin&password={SECRET}&channel=1&stream=0.sdp?",
        f"http://127.0.0.1:1/v?user=me@example.invalid&token={SECRET}",
        f"http://127.0.0.1:1/v;key={SECRET}/x",
        f"rtsp://10.0.0.5/live?user=admin&password={SECRET}&channel=1",
        f"http://10.0.0.5/live?token={SECRET}",
        f"http://10.0.0.5/live?{SECRET}",
        f"rtsp://{SECRET}@10.0.0.5",
        f"rtsp://10.0.0.5/live?next://admin:{SECRET}@10.0.0.5/live?channel=1",
        f"rtsp://10.0.0.5/live?channel=1:{SECRET}@10.0.0.5/live",
        f"gst:rtspsrc location=rtsp://a:{SECRET}@h/x user-id=a user-pw={SECRET} ! decodebin",
        f'gst:rtspsrc user-pw="{SECRET} x" ! decodebin',
        f"gst:rtspsrc user-pw='x {SECRET}' ! decodebin",
        f"gst:rtspsrc location=rtsp://a:{SECRET}!'x@h/x ! decodebin",
        f"gst:srtsrc uri=srt://h:1 passphrase={SECRET} ! decodebin",
        f"gst:srtsrc uri=srt://h:1 streamid=publish:{SECRET} ! decodebin",
        f'gst:souphttpsrc extra-headers="x,Authorization=(string){SECRET}" ! decodebin',
        f'gst:souphttpsrc cookies="session={SECRET}" ! decodebin',
    ],
)
def test_no_name_holds_a_password(text: str) -> None:
    address = parse_address(text)
    assert SECRET not in address.name
    assert SECRET not in repr(address)
    assert SECRET not in address.redact(f"error: cannot open {address.target}")


@pytest.mark.parametrize(
    "text",
    [
        f"rtsp://admin:{SECRET}@x/@10.0.0.5/live",
        f"rtsp://admin:{SECRET}#1@10.0.0.5/live",
        f"rtsp://admin:{SECRET}?1/2@10.0.0.5/live?channel=1",
        f"rtsp://admin:12/{SECRET}@10.0.0.5/live",
        f" rtsp://admin:{SECRET}@10.0.0.5/live",
        f"rtsp:/admin:{SECRET}@10.0.0.5/live",
        f"admin:{SECRET}@10.0.0.5/live",
        f"10.0.0.5/live?password={SECRET}",
        f"rtsp://admin:{SECRET}@/live",
        f"rtsp://admin:{SECRET}@h:port/live",
        f"rtsp://admin:{SECRET}@{'a' * 70}.com/live",
        f"rtsp://admin:{SECRET}@h/live\nx",
        f"rt{{p://admin:{SECRET}/live?channel=1",
        f"rtsp8//admin:{SECRET}/live?channel=1",
        f"rtsp://user=a&key={SECRET}&channel=1",
        f"rtsp://h/live#transport//admin:{SECRET}H10.0.0.5=1",
    ],
)
def test_what_is_no_url_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_address(text)
    assert SECRET not in str(refused.value)
    assert refused.value.fix


def test_an_at_in_the_query_moves_no_host() -> None:
    url = "http://10.0.0.5/v?user=me@example.com"
    assert without_credentials("http://a:b%40c@10.0.0.5/v?user=me@example.com") == (url, "a", "b@c")
    assert redact_url(url) == "http://10.0.0.5/v?user=***"


def test_long_texts_are_redacted_in_linear_time() -> None:
    address = parse_address("rtsp://a:secret@h/x")
    for text in ("x" * 200_000, "pw" * 100_000, "a://" * 50_000):
        start = time.process_time()
        address.redact(text)
        redact_pipeline(text)
        assert time.process_time() - start < 5  # quadratic, it took minutes


def test_a_file_whose_name_looks_like_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("10:15.mp4", "a@b.mp4"):
        Path(name).write_bytes(b"x")
        assert (parse_address(name).kind, parse_address(name).target) == ("path", name)


def test_a_bare_password_is_redacted_from_the_words_of_others() -> None:
    for text in (
        f"rtsp://admin:{SECRET}@h/x",
        f"http://h/x?{SECRET}",
        f"srt://h:1?passphrase={SECRET}",
        f"gst:rtspsrc user-pw={SECRET} ! identity",
    ):
        assert parse_address(text).redact(f"wrong: {SECRET}") == "wrong: ***"


@pytest.mark.parametrize("text", [f"http://h/x?a=b#{SECRET}", f"http://h/x#via=ffmpeg&{SECRET}", f"csi://a:{SECRET}@0"])
def test_an_error_shows_no_word_that_may_be_a_password(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(text)
    assert SECRET not in str(caught.value)


def test_an_encoded_password_is_redacted_in_both_forms() -> None:
    address = parse_address("rtsp://admin:ge%2Fheim@10.0.0.5/live")
    assert "heim" not in address.redact("401 for ge/heim, ge%2Fheim and rtsp://admin:ge%2Fheim@10.0.0.5/live")


def test_what_helps_to_tell_cameras_apart_stays() -> None:
    assert (
        redact_url("rtsp://a:b@h:554/cam?channel=2&subtype=1&key=9") == "rtsp://h:554/cam?channel=2&subtype=1&key=***"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/dev/video0?widht=3", "did you mean 'width'"),
        ("rtps://h/x", "did you mean 'rtsps'"),
        ("rtsp://h/x#vai=ffmpeg", "did you mean 'via'"),
        ("csi://left", "csi://0"),
        ("rtsp://h/x#via", "write via=VALUE"),
        ("-?heigth=3", "did you mean 'height'"),
    ],
)
def test_a_wrong_address_names_the_nearest(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_address(text)


def test_numbers_in_options() -> None:
    with pytest.raises(InputError, match="whole number"):
        parse_address("/dev/video0?width=wide").number("width")
    for number in ("9" * 5000, "\u0663", "0", "65537"):
        with pytest.raises(InputError, match="whole number"):
            parse_address(f"stdin?width={number}").number("width")
    with pytest.raises(InputError, match="above 0"):
        parse_address("a.mp4?pace=-1").seconds("pace")


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 11, "\u0663"])
def test_a_camera_has_a_number_that_can_be(number: str) -> None:
    assert parse_address(number).kind == "path"
    with pytest.raises(InputError, match="csi://0"):
        parse_address(f"csi://{number}")


def test_a_csi_camera_is_a_pipeline() -> None:
    assert csi_pipeline(parse_address("csi://1?width=1920&height=1080&flip=2")) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1920,height=1080,framerate=30/1 ! "
        "nvvidconv flip-method=2 ! video/x-raw,format=I420"
    )


def test_no_shell_reads_a_pipeline() -> None:
    assert gst_command("a ! b; rm x")[2:7] == ["a", "!", "b;", "rm", "x"]


def test_hardware_decoding_is_asked_of_ffmpeg() -> None:
    command, script = ffmpeg_command(parse_address("rtsp://h/x#via=ffmpeg&hwaccel=cuda&transport=udp"), (5, 1))
    assert command[command.index("-hwaccel") + 1] == "cuda"
    assert command[command.index("-rtsp_transport") + 1] == "udp"
    assert not script
    with pytest.raises(InputError, match="did you mean 'tcp'"):
        ffmpeg_command(parse_address("rtsp://h/x#via=ffmpeg&transport=tpc"), (5, 1))


def test_an_address_with_a_password_stands_in_no_command_line() -> None:
    address = parse_address(f"rtsp://u:{SECRET}'@h/x#via=ffmpeg")
    command, script = ffmpeg_command(address, (5, 0))
    assert SECRET not in " ".join(command)
    assert f"file 'rtsp://u:{SECRET}'\\''@h/x'\noption " in script
    assert "option rtsp_transport tcp\n" in script
    old, script = ffmpeg_command(address, (4, 4))  # its scripts take no options
    assert address.target in old
    assert not script


@pytest.mark.parametrize(
    "host", [f"{'a' * 64}.com", "a..b", ".a", "[::", "a:99999", "a:x", f"user:geheim@{'a' * 70}"], ids=range(7)
)
@pytest.mark.parametrize("scheme", ["rtsp", "http", "https", "udp", "rtmp"])
def test_a_host_that_cannot_be_is_refused_before_it_is_asked(scheme: str, host: str) -> None:
    with pytest.raises(InputError, match="no possible host or port") as caught:
        parse_address(f"{scheme}://{host}/x")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["udp://@:1234", "rtsp://[fe80::1]:8554/x", "http://bücher.example/x", "srt://:9000"])
def test_a_host_that_can_be_is_taken(url: str) -> None:
    assert parse_address(url)
