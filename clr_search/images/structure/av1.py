"""The size in the sequence header of an AV1 bit stream (AV1 specification, sections 5.3 to 5.5)."""

from __future__ import annotations


class _Bits:
    """Reads bits, the highest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """The next number of so many bits; IndexError beyond the end."""
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._value >> self._left & (1 << count) - 1


def coded_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the first sequence header allows; None where there is none.

    Parameters
    ----------
    data : bytes
        The first open bitstream units of a picture.
    """
    at = 0
    try:
        while at < len(data):
            kind, extended, sized = data[at] >> 3 & 15, data[at] & 4, data[at] & 2
            at += 2 if extended else 1
            size, used = _leb128(data, at) if sized else (len(data) - at, 0)
            at += used
            if kind == 1:
                return _sequence_size(_Bits(data[at : at + min(size, 256)]))
            at += size
    except IndexError:
        pass
    return None


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the bytes that it takes."""
    value = 0
    for used in range(8):
        value |= (data[at + used] & 127) << 7 * used
        if not data[at + used] & 128:
            return value, used + 1
    raise IndexError


def _sequence_size(bits: _Bits) -> tuple[int, int]:
    bits.take(3 + 1)  # profile, still picture
    if bits.take(1):  # reduced still picture header
        bits.take(5)
    else:
        _skip_timing(bits)
    wide, high = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(wide) + 1, bits.take(high) + 1


def _skip_timing(bits: _Bits) -> None:
    """Timing, decoder model and operating points."""
    delay, modelled = 0, 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            zeros = 0
            while not bits.take(1):
                zeros += 1
            bits.take(zeros)
        modelled = bits.take(1)
        if modelled:
            delay = bits.take(5) + 1
            bits.take(32 + 5 + 5)
    shown = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if modelled and bits.take(1):
            bits.take(2 * delay + 1)
        if shown and bits.take(1):
            bits.take(4)
