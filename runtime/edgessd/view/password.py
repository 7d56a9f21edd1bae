"""Passwords as scrypt hashes (RFC 7914): what a configuration may hold."""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

from edgessd.errors import InputError

SHORTEST = 8
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1  # 16 MB and about 50 ms
_MOST_MEMORY = 1 << 26
_SALT_BYTES, _DIGEST_BYTES = 16, 32


@dataclass(frozen=True, repr=False)
class Password:
    """A hash with what it was made from, but for the password."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes

    def matches(self, password: str) -> bool:
        """Return whether this is the password; takes the same time for every wrong one."""
        return hmac.compare_digest(_digest(password, self.cost, self.block, self.parallel, self.salt), self.digest)


def hash_password(password: str) -> str:
    """Return ``scrypt:COST:BLOCK:PARALLEL:SALT:DIGEST``. Raises InputError for a password that is too short."""
    if len(password) < SHORTEST:
        raise InputError(f"a password has at least {SHORTEST} letters, got {len(password)}", fix="take a longer one")
    salt = os.urandom(_SALT_BYTES)
    digest = _digest(password, _COST, _BLOCK, _PARALLEL, salt)
    return f"scrypt:{_COST}:{_BLOCK}:{_PARALLEL}:{_text(salt)}:{_text(digest)}"


def parse_hash(text: str) -> Password:
    """Return the hash in a text. Raises InputError, without showing it."""
    parts = text.split(":")
    try:
        name, cost, block, parallel, salt, digest = parts
        password = Password(int(cost), int(block), int(parallel), _bytes(salt), _bytes(digest))
    except ValueError:
        name = ""
    if name != "scrypt" or len(password.digest) != _DIGEST_BYTES or not _affordable(password):
        raise InputError("password_hash is no hash of ours", fix="make one with `edgessd hash-password`")
    return password


def _affordable(password: Password) -> bool:
    cost, block = password.cost, password.block
    power_of_two = cost > 1 and cost & (cost - 1) == 0
    return power_of_two and 0 < block <= 32 and 0 < password.parallel <= 4 and 128 * cost * block <= _MOST_MEMORY // 2


def _digest(password: str, cost: int, block: int, parallel: int, salt: bytes) -> bytes:
    secret = password.encode(errors="surrogatepass")
    return hashlib.scrypt(
        secret, salt=salt, n=cost, r=block, p=parallel, maxmem=_MOST_MEMORY, dklen=_DIGEST_BYTES
    )  # fmt: skip


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
