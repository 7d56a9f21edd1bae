"""Where the live page is served and who may see it: the ``[view]`` of a configuration."""

import os
import socket
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Annotated

from edgessd.errors import InputError
from edgessd.util.extras import need
from edgessd.util.names import is_host
from edgessd.util.outside_text import quoted
from edgessd.util.toml_table import Range
from edgessd.view.password import Password, hash_password, parse_hash

PASSWORD_VARIABLE = "EDGESSD_VIEW_PASSWORD"
_MAKE_ONE = "edgessd hash-password"


@dataclass(frozen=True)
class ViewSettings:
    """``[view]``. An address that other machines can reach needs a password.

    password_hash: what ``edgessd hash-password`` prints. password_env: the environment's variable with the password.
    hosts: further names that the page is asked by, such as a proxy's. max_width: wider frames are shrunk, pixels.
    quality: of the JPEG, 0 to 100.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, Range(0, 65535)] = 8080
    title: str = "edgessd"
    password_hash: str | None = field(default=None, repr=False)
    password_env: str | None = None
    hosts: tuple[str, ...] = ()
    max_watchers: Annotated[int, Range(1, 1000)] = 32
    max_width: Annotated[int, Range(160, 7680)] = 1280
    quality: Annotated[int, Range(10, 100)] = 80

    def __post_init__(self) -> None:
        """Raise InputError for an address without a password, a hash that is none, a name that is none."""
        for name in (self.address, *self.hosts):
            if not is_host(name):
                raise InputError(f"a host's name or address is expected, got {quoted(name)}", fix="correct it")
        if self.password_hash is not None and self.password_env is not None:
            raise InputError("it has password_hash and password_env", fix="leave one of them out")
        if self.password_hash is not None:
            parse_hash(self.password_hash)
        if not self.local and self.password_hash is None and self.password_env is None:
            raise InputError(
                f"other machines can reach {self.address}, and the live page has no password",
                fix=f"make a password_hash with `{_MAKE_ONE}`, or serve it on 127.0.0.1",
                command=_MAKE_ONE,
            )

    def check(self) -> None:
        """Raise MissingExtra without the libraries of the page, InputError without its password."""
        need("starlette", "view")
        need("uvicorn", "view")
        self.password()

    def url(self, port: int) -> str:
        """Return where the page is, on the port that was found."""
        return f"http://{f'[{self.address}]' if ':' in self.address else self.address}:{port}/"

    @property
    def local(self) -> bool:
        """Return whether this machine alone can reach the page."""
        return is_loopback(self.address)

    def password(self) -> Password | None:
        """Return what a password is compared with, None where none is asked. Raises InputError."""
        if self.password_hash is not None:
            return parse_hash(self.password_hash)
        if self.password_env is None:
            return None
        password = os.environ.get(self.password_env)
        if not password:
            raise InputError(
                f"the live page's password is in {self.password_env}, which the environment does not set",
                fix=f"export {self.password_env}=...",
            )
        return parse_hash(hash_password(password))

    def is_own(self, host: str) -> bool:
        """Return whether the page is rightly asked by this name, without its port.

        A name that somebody else's DNS points here is refused (DNS rebinding); an address needs no DNS.
        """
        host = host.strip("[]").rstrip(".").lower()
        if self.local:
            return is_loopback(host) or host in map(str.lower, self.hosts)
        own = socket.gethostname().lower()
        return _is_address(host) or host in {
            "localhost",
            own,
            f"{own}.local",
            self.address.lower(),
            *map(str.lower, self.hosts),
        }


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address is this machine's loopback."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
