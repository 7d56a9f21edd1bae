"""What the page asks about events."""

import asyncio
import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgessd.errors import EdgessdError
from edgessd.sinks.event_store import EventStore
from edgessd.util.outside_text import outside_text

_MOST = 200


def event_routes(events: EventStore) -> list[Route]:
    """Return the paths of the list and its pictures."""

    async def listed(request: Request) -> Response:
        asked = request.query_params
        words = {"stream": "camera", "label": "label", "zone": "zone"}
        try:
            found = await asyncio.to_thread(
                events.query,
                **{key: asked.get(name) or None for key, name in words.items()},
                since=_number(asked.get("since")),
                before=_number(asked.get("before")),
                limit=min(_MOST, max(1, int(_number(asked.get("limit")) or 24))),
            )
            choices = await asyncio.to_thread(events.choices)
        except EdgessdError as error:
            return JSONResponse({"error": outside_text(error)}, status_code=503)
        return JSONResponse({"events": found, "choices": choices})

    async def picture(request: Request) -> Response:
        content = await asyncio.to_thread(events.picture, request.query_params.get("id", ""))
        if content is None:
            raise HTTPException(404, "no picture of such an event\n")
        # The page asks by the frame it was taken from, too: a better picture has another address.
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    return [Route("/api/events", listed), Route("/event.jpg", picture)]


def _number(text: str | None) -> float | None:
    """Return a query's number, None where it is not given. Raises HTTPException."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < 1e12:
        raise HTTPException(400, "a number is expected\n")
    return number
