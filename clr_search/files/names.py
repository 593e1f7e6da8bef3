"""Names of files and folders: one Unicode form to compare them in, and bytes to hash them by.

A file system keeps a name as it was given: "é" may be one character (NFC, as Linux and Windows
write it) or two (NFD, as a Mac does), and on POSIX a name need not be text at all. Python has the
bytes of such a name as lone surrogates, which no encoding takes by itself.
"""

from __future__ import annotations

import unicodedata


def composed(text: str) -> str:
    r"""Returns a text in Unicode's composed form (NFC), in which equal letters are equal.

    Examples
    --------
    >>> composed("u\u0308") == "\u00fc"
    True
    """
    return unicodedata.normalize("NFC", text)


def legible(text: str) -> str:
    r"""Returns a name as valid text, in which bytes that are none are escaped.

    Files in formats of others, such as ONNX, hold no other text.

    Examples
    --------
    >>> legible("r\udcf6t")
    'r\\udcf6t'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def name_bytes(text: str) -> bytes:
    r"""Returns the bytes of a text for a hash, also of a name that is not valid UTF-8.

    Of every text that is valid, they are its UTF-8.

    Examples
    --------
    >>> name_bytes("rose"), name_bytes("r\udcf6t")
    (b'rose', b'r\xed\xb3\xb6t')
    """
    return text.encode("utf-8", "surrogatepass")
