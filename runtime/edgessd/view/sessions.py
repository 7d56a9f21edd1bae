"""Who is logged in, and how often somebody may try."""

import hashlib
import secrets
from collections import deque
from ipaddress import ip_address, ip_network
from time import monotonic

SESSION_SECONDS = 7 * 86400.0
_MOST_SESSIONS = 64
_WINDOW_SECONDS = 60.0
_MOST_BY_ADDRESS = 5
_MOST_BY_ALL = 30  # each takes 50 ms of a core
_MOST_ADDRESSES = 1000


class Sessions:
    """The tokens given out, as hashes; they end with the process."""

    def __init__(self) -> None:
        self._ends: dict[bytes, float] = {}

    def begin(self) -> str:
        """Return a new token; of too many sessions the oldest ends."""
        token = secrets.token_urlsafe(32)
        self._ends[_key(token)] = monotonic() + SESSION_SECONDS
        while len(self._ends) > _MOST_SESSIONS:
            del self._ends[next(iter(self._ends))]
        return token

    def has(self, token: str) -> bool:
        """Return whether a token was given out and has not ended."""
        return self._ends.get(_key(token), 0.0) > monotonic()

    def end(self, token: str) -> None:
        """Forget a token."""
        self._ends.pop(_key(token), None)


class Attempts:
    """Counts attempts at the password, by address and in all; what is too many is refused before it is hashed."""

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._by_address: dict[str, deque[float]] = {}

    def begin(self, address: str) -> float:
        """Count an attempt and return 0, or the seconds to wait before the next is allowed."""
        own = self._by_address.setdefault(_neighbourhood(address), deque())
        for times, most in ((own, _MOST_BY_ADDRESS), (self._all, _MOST_BY_ALL)):
            while times and monotonic() - times[0] > _WINDOW_SECONDS:
                times.popleft()
            if len(times) >= most:
                return max(1.0, times[0] + _WINDOW_SECONDS - monotonic())
        own.append(monotonic())
        self._all.append(monotonic())
        if len(self._by_address) > _MOST_ADDRESSES:
            del self._by_address[next(iter(self._by_address))]
        return 0.0

    def succeeded(self, address: str) -> None:
        """Forget the attempts of an address that knew the password."""
        self._by_address.pop(_neighbourhood(address), None)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _neighbourhood(address: str) -> str:
    """Return an IPv4 address, or the /64 that one IPv6 machine has for itself."""
    try:
        version = ip_address(address).version
    except ValueError:
        return address
    return address if version == 4 else str(ip_network(f"{address}/64", strict=False))
