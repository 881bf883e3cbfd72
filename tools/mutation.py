"""Serialized messages with mistakes in them, the same ones for the same seed."""

from __future__ import annotations

import random


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return serialized data with a few bytes changed, or cut, or doubled."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 8])):
        place = draw.randrange(4, len(changed))
        if draw.random() < 0.5:
            changed[place] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)])
        else:  # a number that is none, or infinite, where one may begin
            place -= place % 4
            changed[place : place + 4] = draw.choice([b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff"])
    if draw.random() < 0.1:
        del changed[draw.randrange(4, len(changed)) :]
    return bytes(changed) + bytes(-len(changed) % 4)
