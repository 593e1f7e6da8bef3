"""What the service allows, and whom."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clr_search.errors import UsageError
from clr_search.serve.sessions import BATCH

KEYS_VARIABLE = "CLR_SEARCH_API_KEYS"
"""Environment variable with keys, separated by commas."""

SHORTEST_KEY = 16
"""Characters a key needs at least: shorter ones can be guessed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a request, and of all at a time.

    Attributes
    ----------
    body_bytes : int
        Of one request.
    pixels : int
        Of one picture, by its header, before it is decoded.
    images : int
        Pictures of one request; at most `pending_images`, since more could never be taken in.
    neighbours : int
        Largest k.
    seconds : float
        For one request, from its first byte to its answer.
    pending_images : int
        Pictures taken in and not yet embedded, over all requests; beyond, requests are refused with
        503 and the time after which to try again.
    batch : int
        Most pictures in one inference.
    batch_wait : float
        Seconds that an inference waits for further pictures, where it is not full.
    """

    body_bytes: int = 64 * 2**20
    pixels: int = 100_000_000
    images: int = 64
    neighbours: int = 1000
    seconds: float = 30.0
    pending_images: int = 512
    batch: int = BATCH
    batch_wait: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", min(self.images, self.pending_images))


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of which a request needs one, kept as hashes; none where all are answered."""

    hashes: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, keys: Iterable[str]) -> Keys:
        """From their texts.

        Raises
        ------
        UsageError
            If one is too short, or has characters that no header carries.
        """
        texts = [key.strip() for key in keys if key.strip()]
        if any(len(text) < SHORTEST_KEY for text in texts):
            raise UsageError(
                f"An API key has fewer than {SHORTEST_KEY} characters, which can be guessed.",
                "Make one with: openssl rand -hex 24",
            )
        if not all(text.isascii() and text.isprintable() for text in texts):
            raise UsageError(
                "An API key has characters that are not printable ASCII; no header carries them.",
                "Make one with: openssl rand -hex 24",
            )
        return cls(tuple(_hash(text) for text in texts))

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def accept(self, key: str | None) -> bool:
        """Whether a request with this key is answered; takes the same time for every wrong key."""
        if not self.hashes:
            return True
        given = _hash(key or "")
        # Hashes have one length, and all are compared, so that time tells nothing.
        return sum(hmac.compare_digest(given, known) for known in self.hashes) > 0


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def read_keys(file: Path | None, environment: Mapping[str, str]) -> Keys:
    """Keys of a file, one a line with `#` for comments, and of `KEYS_VARIABLE`.

    Raises
    ------
    UsageError
        If the file cannot be read or has no key, or a key cannot be used.
    """
    texts = environment.get(KEYS_VARIABLE, "").split(",")
    if file is not None:
        try:
            lines = file.read_text("utf-8-sig").splitlines()  # some editors begin with a mark
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"The keys in {file} cannot be read: {error}.", "Write one key a line, as text."
            ) from error
        found = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not found:
            raise UsageError(f"{file} holds no key.", "Write one key a line.")
        texts += found
    return Keys.of(texts)
