"""What the live page's server answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from edgessd.errors import EdgessdError, InputError
from edgessd.sinks.event_store import EventStore
from edgessd.util.bounded_json import parse_json
from edgessd.util.outside_text import outside_text
from edgessd.view.cameras import Camera
from edgessd.view.events import event_routes
from edgessd.view.guard import Guard, token_of
from edgessd.view.live import Live, Watchers
from edgessd.view.password import Password
from edgessd.view.sessions import SESSION_SECONDS, Attempts, Sessions
from edgessd.view.settings import ViewSettings

_PAGE = files("edgessd.view").joinpath("page")
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_PUBLIC = ("/login", "/page/style.css", "/page/login.js", "/page/theme.js", "/page/icon.svg")
_MOST_BODY_BYTES = 65536
_BODY_SECONDS = 10.0
Endpoint = Callable[[Request], Awaitable[Response]]
Answer = Callable[[dict[str, Any]], dict[str, Any]]  # to a table that was sent


def make_app(
    settings: ViewSettings,
    password: Password | None,
    cameras: Mapping[str, Camera],
    watchers: Watchers,
    *,
    status: Callable[[], dict[str, Any]],
    still: Callable[[str, bool], Awaitable[bytes | None]],
    draw: Answer,
    change: Answer,
    events: EventStore | None,
    cookie: str,
) -> ASGIApp:
    """Return the whole page behind its guard.

    status: what the page asks every second. still: a JPEG of a camera, plain or with boxes, None before its first
    frame. draw: takes a zone or line and gives its text; raises InputError. change: renames or
    deletes one and gives the names of all; raises InputError. cookie: the name of the session's.
    """
    sessions = Sessions() if password else None
    routes = [
        Route("/", _file("index.html")),
        *(Route(f"/page/{name}", _file(name)) for name in _names()),
        Route("/api/status", _status(status)),
        Route("/live.mjpeg", _live(cameras, watchers)),
        Route("/still.jpg", _still(still)),
        Route("/api/regions", _answer(draw), methods=["POST"]),
        Route("/api/regions/change", _answer(change), methods=["POST"]),
        *(event_routes(events) if events else ()),
    ]
    if sessions is not None and password is not None:
        login = _login(password, sessions, Attempts(), cookie)
        routes += [
            Route("/login", _file("login.html")),
            Route("/login", login, methods=["POST"]),
            Route("/logout", _logout(sessions, cookie), methods=["POST"]),
        ]
    return Guard(Starlette(routes=routes), settings=settings, sessions=sessions, cookie=cookie, public=_PUBLIC)


def _names() -> list[str]:
    return [file.name for file in _PAGE.iterdir() if file.is_file()]


def _file(name: str) -> Endpoint:
    """Serve one file of the package: what is not in this list of routes has no path at all."""
    content = _PAGE.joinpath(name).read_bytes()
    kind = _TYPES[name.rpartition(".")[2]]

    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return endpoint


def _status(status: Callable[[], dict[str, Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(status())

    return endpoint


def _live(cameras: Mapping[str, Camera], watchers: Watchers) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        camera = cameras.get(request.query_params.get("camera", ""))
        if camera is None:
            raise HTTPException(404, "no such camera\n")
        if watchers.full:
            raise HTTPException(503, f"{watchers.most} watch already\n", headers={"Retry-After": "10"})
        return Live(camera, watchers)

    return endpoint


def _still(still: Callable[[str, bool], Awaitable[bytes | None]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        query = request.query_params
        picture = await still(query.get("camera", ""), query.get("plain") == "1")
        if picture is None:
            raise HTTPException(404, "no picture of such a camera\n")
        return Response(picture, media_type="image/jpeg")

    return endpoint


def _answer(answer: Answer) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            asked = parse_json(await body_of(request))
            if not isinstance(asked, dict):
                raise InputError("a table is expected", fix="draw it again")
            return JSONResponse(await asyncio.to_thread(answer, asked))
        except EdgessdError as error:
            return JSONResponse({"error": outside_text(error)}, status_code=422)

    return endpoint


def _login(password: Password, sessions: Sessions, attempts: Attempts, cookie: str) -> Endpoint:
    one_at_a_time = asyncio.Lock()  # hashing takes a core for 50 ms

    async def endpoint(request: Request) -> Response:
        fields = parse_qs((await body_of(request)).decode(errors="replace"), keep_blank_values=True, max_num_fields=4)
        given = fields.get("password", [""])[0]
        address = request.client.host if request.client else ""
        if wait := attempts.begin(address):
            headers = {"Retry-After": str(round(wait))}
            return PlainTextResponse(f"too many attempts: wait {wait:.0f} s\n", status_code=429, headers=headers)
        async with one_at_a_time:
            right = await asyncio.to_thread(password.matches, given)
        if not right:
            return RedirectResponse("/login#wrong", status_code=303)
        attempts.succeeded(address)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            cookie, sessions.begin(), max_age=int(SESSION_SECONDS), httponly=True, samesite="strict", path="/"
        )
        return answer

    return endpoint


def _logout(sessions: Sessions, cookie: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        sessions.end(token_of(request.headers, cookie))
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(cookie, path="/", httponly=True, samesite="strict")
        return answer

    return endpoint


async def body_of(request: Request) -> bytes:
    """Return a request's body. Raises HTTPException for one that is too long or takes too long."""
    try:
        return await asyncio.wait_for(_read(request), _BODY_SECONDS)
    except asyncio.TimeoutError:
        raise HTTPException(408, "too slow\n", headers={"Connection": "close"}) from None


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY_BYTES:
            raise HTTPException(413, "too long\n", headers={"Connection": "close"})
    return body
