"""What stands before every route: whose request it is, and what no answer lacks."""

from collections.abc import Sequence
from contextlib import suppress

from h11 import LocalProtocolError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgessd.view.sessions import Sessions
from edgessd.view.settings import ViewSettings

_ALWAYS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends "Origin: null" with our own forms
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Refuses foreign hosts, other sites' requests and strangers; adds the headers of every answer."""

    def __init__(
        self, app: ASGIApp, *, settings: ViewSettings, sessions: Sessions | None, cookie: str, public: Sequence[str]
    ) -> None:
        """sessions: None where no password is asked. public: paths that need none."""
        self._app = app
        self._settings = settings
        self._sessions = sessions
        self._cookie = cookie
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request here, or pass it on."""
        assert scope["type"] == "http", "the server is told to speak nothing else"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            # A request whose body breaks off has been answered by uvicorn itself, and closed.
            with suppress(LocalProtocolError):
                await send(message)

        app = self._refusal(scope["method"], scope["path"], Headers(scope=scope)) or self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._settings.is_own(_without_port(hosts[0])):
            text = "this page is not known by that name: add it to hosts in [view]\n"
            return PlainTextResponse(text, status_code=421)
        if method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("no such method\n", status_code=405)
        if not _same_site(method, headers, hosts[0]):
            return PlainTextResponse("another site's request\n", status_code=403)
        if self._sessions is None or path in self._public or self._sessions.has(token_of(headers, self._cookie)):
            return None
        if path == "/" and method != "POST":
            return RedirectResponse("/login", status_code=303)
        return PlainTextResponse("log in first\n", status_code=401)


def token_of(headers: Headers, cookie: str) -> str:
    """Return the session's token in a request, an empty text where there is none."""
    return cookie_parser(headers.get("cookie", "")).get(cookie, "")


def _same_site(method: str, headers: Headers, host: str) -> bool:
    """Return whether a request is our own page's. Only a link may come from elsewhere, as it shows and does nothing.

    Browsers send Origin with every POST. Sec-Fetch-Site keeps other sites from embedding pictures, too.
    """
    if method == "POST":
        return headers.get("origin", "").partition("://")[2].lower() == host.lower()
    link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return link or headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and (host.startswith("[") or ":" not in name) else host
