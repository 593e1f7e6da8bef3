"""Who may use a server: a name and a password, which the browser asks for (HTTP Basic)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from clr_search.errors import UsageError

SHORTEST_PASSWORD = 8
"""Least number of characters of a password; shorter ones can be guessed."""

CHALLENGE = {"www-authenticate": 'Basic realm="clr-search", charset="UTF-8"'}
"""The header by which a browser is told to ask for name and password."""

_MAKE = "Make one with: openssl rand -base64 12"


@dataclass(frozen=True, slots=True)
class Logins:
    """Names with their passwords, stored as hashes.

    Examples
    --------
    >>> logins = Logins.of({"ada": "an example of a password"})
    >>> logins.who("Basic YWRhOmFuIGV4YW1wbGUgb2YgYSBwYXNzd29yZA==")
    'ada'
    """

    hashes: tuple[tuple[str, bytes], ...] = field(repr=False)

    @classmethod
    def of(cls, passwords: dict[str, str]) -> Logins:
        """Return the logins of some names with their passwords.

        Raises
        ------
        UsageError
            If there is none, or a password is too short.
        """
        if not passwords:
            raise UsageError("There is no login.", "Write a line for each, as in ada:password.")
        for name, password in passwords.items():
            if len(password) < SHORTEST_PASSWORD:
                raise UsageError(
                    f"The password of {name} has fewer than {SHORTEST_PASSWORD} characters, "
                    "which can be guessed.",
                    _MAKE,
                )
        return cls(tuple((name, _hash(name, text)) for name, text in passwords.items()))

    def who(self, authorization: str | None) -> str | None:
        """Return the name that a header `Authorization` proves; None where it proves none.

        Every wrong password takes the same time, whether or not there is its name.
        """
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        except ValueError:  # A UnicodeDecodeError is one, too.
            return None
        name, _, password = text.partition(":")
        digest = _hash(name, password)
        found = [known for known, held in self.hashes if hmac.compare_digest(digest, held)]
        return found[0] if found else None


def _hash(name: str, password: str) -> bytes:
    """Return the SHA-256 of a name with a password."""
    return hashlib.sha256(f"{name}\0{password}".encode("utf-8", "surrogateescape")).digest()


def read_logins(file: Path) -> Logins:
    """Read a file with a login a line, as in ``ada:password``; lines that begin with `#` are notes.

    Raises
    ------
    UsageError
        If it cannot be read, or a line is none, or a name stands there twice.
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()  # Some editors write a BOM.
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The logins in {file} cannot be read: {error}.",
            "Write one login a line, as in ada:password.",
        ) from error
    passwords: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, password = (part.strip() for part in line.partition(":"))
        if not (name and colon and password) or name in passwords:
            wrong = f"names {name} again" if name in passwords else "is no login"
            raise UsageError(
                f"Line {number} of {file} {wrong}.", "Write one login a line, as in ada:password."
            )
        passwords[name] = password
    if not passwords:
        raise UsageError(f"{file} holds no login.", "Write one login a line, as in ada:password.")
    return Logins.of(passwords)
