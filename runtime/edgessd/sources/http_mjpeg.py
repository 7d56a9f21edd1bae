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
from edgessd.sources.fault import Reason, SourceFault, connection_fault, status_fault
from edgessd.sources.frame import Choose, Frame, Source
from edgessd.sources.http_auth import authorization
from edgessd.sources.mjpeg import jpeg_frames
from edgessd.sources.network_video import READ_SECONDS, NetworkVideo

_PIECE_BYTES = 1 << 16
_ATTEMPTS = 3  # a challenge, and a redirect with a challenge of its own
_PLAYLISTS = ("mpegurl", "dash+xml")


class HttpPictures(Source):
    """An MJPEG stream. A read that hangs ends by the socket's deadline or by ``interrupt``."""

    live = True
    choose: Choose | None = None

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
            yield from jpeg_frames(self._read, self.name, within=self._read_seconds, choose=self.choose)

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
        self._socket.close()
        self._response.close()

    def interrupt(self) -> None:
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
                    raise status_fault(error.code, name) from None
                target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
                header = authorization(error.headers.get_all("WWW-Authenticate", []), "GET", target, user, password)
                if header is None:
                    raise status_fault(401, name) from None
        raise status_fault(401, name)
    except URLError as error:
        cause = error.reason if isinstance(error.reason, OSError) else error
        raise connection_fault(cause, name, timeout) from None
    except (TimeoutError, UnicodeError) as error:
        raise connection_fault(error, name, timeout) from None
    except (OSError, ValueError, HTTPException) as error:
        raise SourceFault(
            Reason.NOT_A_STREAM, f"{name} does not speak HTTP", fix="check the port and the protocol"
        ) from error
