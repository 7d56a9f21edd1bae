"""A camera that sends JPEG pictures over HTTP (multipart/x-mixed-replace), read without FFmpeg."""

import os
import socket
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from edgessd.sources.address import Address, without_credentials
from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.frame import Frame, Source
from edgessd.sources.http_auth import authorization
from edgessd.sources.mjpeg import jpeg_frames
from edgessd.sources.network_video import READ_SECONDS, NetworkVideo

_PIECE_BYTES = 1 << 16
_ATTEMPTS = 3  # a challenge, and a redirect with a challenge of its own
_PLAYLISTS = ("mpegurl", "dash+xml")


class HttpPictures(Source):
    """An MJPEG stream. A read that hangs ends by the socket's deadline or by ``interrupt``."""

    live = True
    fps: float | None = None
    frame_count: int | None = None

    def __init__(self, address: Address, response: HTTPResponse, read_seconds: float) -> None:
        self.name = address.name
        self._address = address
        self._read_seconds = read_seconds
        self._take(response)

    def _take(self, response: HTTPResponse) -> None:
        self._response = response
        # A duplicate to cut the connection by: http.client gives its own socket away to a buffered file.
        self._socket = socket.socket(fileno=os.dup(response.fileno()))

    def frames(self) -> Iterator[Frame]:
        """Yield a frame a picture until the server ends; connect again where it has ended. Raises SourceFault."""
        if self._response.closed:
            self._take(_get(self._address, self._read_seconds))
        with self._socket, self._response:
            yield from jpeg_frames(self._read, self.name, within=self._read_seconds)

    def _read(self) -> bytes:
        try:
            return self._response.read1(_PIECE_BYTES)
        except TimeoutError as error:
            cause = f"{self.name} sent nothing for {self._read_seconds:g} s"
            raise SourceFault(Reason.FROZEN, cause, fix="see the camera") from error
        except (OSError, HTTPException) as error:
            raise SourceFault(
                Reason.CUT_OFF, f"{self.name} cut the connection", fix="see the camera and the network"
            ) from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
        self._response.close()

    def interrupt(self) -> None:
        """Cut the connection, so that a read returns."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already closed by the other side


def open_http(address: Address) -> HttpPictures | NetworkVideo:
    """Return the MJPEG stream, or whatever else FFmpeg makes of the URL. Raises SourceFault."""
    read_seconds = address.seconds("read_timeout") or READ_SECONDS
    # One deadline for both: urllib passes it on to every later read.
    response = _get(address, read_seconds)
    kind = response.headers.get_content_type()
    if (encoding := response.headers.get("Content-Encoding", "identity").lower()) != "identity":
        response.close()
        cause = f"{address.name} sends its answer compressed ({encoding[:20]!r}), which nobody asked for"
        raise SourceFault(Reason.NOT_A_STREAM, cause, fix="turn compression off in the server")
    if kind == "multipart/x-mixed-replace":
        return HttpPictures(address, response, read_seconds)
    # A length says that it ends. A playlist's is its own, not that of the stream it lists.
    playlist = any(word in kind for word in _PLAYLISTS) or urlsplit(address.target).path.endswith((".m3u8", ".mpd"))
    response.close()
    return NetworkVideo(address, ends=response.headers.get("Content-Length") is not None and not playlist)


def _get(address: Address, timeout: float) -> HTTPResponse:
    """Return the answer to a GET, with the credentials of the URL once the server asks for them."""
    name = address.name
    url, user, password = without_credentials(address.target)
    # Cameras stand in the local network: a proxy of the environment does not know them.
    opener = build_opener(ProxyHandler({}))
    header: str | None = None
    try:
        for _ in range(_ATTEMPTS):
            request = Request(url)
            if header is not None:
                request.add_unredirected_header("Authorization", header)  # another host must not get it
            try:
                return cast(HTTPResponse, opener.open(request, timeout=timeout))
            except HTTPError as error:
                error.close()
                url, asked = error.url, url
                parts = urlsplit(url)
                same_host = parts[:2] == urlsplit(asked)[:2]
                answered = header is not None and url == asked
                if error.code != 401 or not user or not same_host or answered:
                    raise _fault_of(error.code, name) from None
                target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
                header = authorization(error.headers.get_all("WWW-Authenticate", []), "GET", target, user, password)
                if header is None:
                    raise _fault_of(401, name) from None
        raise _fault_of(401, name)
    except (TimeoutError, URLError) as error:
        raise _unreachable(error, name, timeout) from None
    except UnicodeError:
        raise SourceFault(Reason.UNREACHABLE, f"no host of the name in {name}", fix="check its spelling") from None
    except (OSError, ValueError, HTTPException) as error:
        raise SourceFault(
            Reason.NOT_A_STREAM, f"{name} does not speak HTTP", fix="check the port and the protocol"
        ) from error


def _fault_of(status: int, name: str) -> SourceFault:
    if status in (401, 403, 407):
        return SourceFault(
            Reason.AUTHENTICATION, f"{name} refuses the user or the password", fix="correct them in the URL"
        )
    if status in (404, 410):
        return SourceFault(Reason.NOT_FOUND, f"{name} has no such page", fix="check the URL's path")
    return SourceFault(Reason.REFUSED, f"{name} answers {status}", fix="see the camera")


def _unreachable(error: TimeoutError | URLError, name: str, timeout: float) -> SourceFault:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return SourceFault(Reason.TIMEOUT, f"{name} did not answer within {timeout:g} s", fix="see the camera")
    if isinstance(cause, ConnectionRefusedError):
        return SourceFault(
            Reason.REFUSED, f"{name} refuses connections", fix="the server is down, or the port is wrong"
        )
    return SourceFault(Reason.UNREACHABLE, f"{name} cannot be reached", fix="check the host's name and the network")
