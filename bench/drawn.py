"""Pictures that are drawn: kinds of collections in which all pictures differ but look alike.

Text pages of one layout, one form filled in differently, scans, icons, patterns, renderings of one
room, medical grey, and pictures that are nearly blank or dark. `DRAWN` has a function for each
kind, which draws picture number `n` of a series; no two numbers of a series give the same picture.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_WORDS = (
    "flower contract invoice street house total amount river seven orange letter dear sincerely "
    "march april north payment customer delivery twelve order number reference yours faithfully"
).split()


def text_page(number: int, seed: int = 0) -> Image.Image:
    """A page of words in one layout."""
    chance = random.Random(f"text {seed} {number}")
    page = Image.new("L", (620, 877), 255)
    draw, font, y = ImageDraw.Draw(page), ImageFont.load_default(14), 60
    while y < 820:
        line = " ".join(chance.choice(_WORDS) for _ in range(11))[:70]
        draw.text((50, y), line, fill=0, font=font)
        y += 52 if chance.random() < 0.1 else 22
    return page


def form(number: int, seed: int = 0) -> Image.Image:
    """One form, of which only the name, the number and the amounts differ."""
    chance = random.Random(f"form {seed} {number}")
    page = Image.new("L", (620, 877), 255)
    draw = ImageDraw.Draw(page)
    large, small = ImageFont.load_default(26), ImageFont.load_default(15)
    draw.text((50, 50), "INVOICE", fill=0, font=large)
    draw.text((380, 60), "Garden & Sons, Bridge Street 7", fill=60, font=small)
    draw.text((50, 120), f"No. {chance.randrange(10**6):06d}", fill=0, font=small)
    draw.text((50, 150), " ".join(chance.sample(_WORDS, 2)).title(), fill=0, font=small)
    for row in range(14):
        y = 220 + 36 * row
        draw.rectangle((50, y, 570, y + 36), outline=90)
        draw.line((420, y, 420, y + 36), fill=90)
        draw.text((60, y + 9), f"Position {row + 1}, as ordered", fill=0, font=small)
        draw.text((440, y + 9), f"{chance.randrange(100, 99999) / 100:.2f}", fill=0, font=small)
    draw.text((50, 760), "Payable within 30 days. Thank you for your order.", fill=0, font=small)
    return page


def scan(number: int, seed: int = 0) -> Image.Image:
    """A text page as a scanner sees it: turned a little, with grain and a shadow at one side."""
    generator = np.random.default_rng([seed, number, 1])
    page = text_page(number, seed + 1).rotate(
        generator.uniform(-0.7, 0.7), Image.Resampling.BICUBIC, fillcolor=255
    )
    values = np.asarray(page.filter(ImageFilter.GaussianBlur(0.6)), np.float64)
    shadow = np.linspace(0, generator.uniform(10, 35), values.shape[1])[None]
    values = 238 - (255 - values) * 0.85 - shadow + generator.normal(0, 4, values.shape)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def icon(number: int, seed: int = 0) -> Image.Image:
    """A sign on a coloured tile; neighbours in the series share the sign, or the colours."""
    chance = random.Random(f"icon {seed} {number // 2}")
    side = 96
    picture = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    tile = tuple(chance.randrange(20, 200) for _ in range(3))
    if number % 2:  # another colour of the same sign
        tile = ((tile[0] + 90) % 180 + 20, tile[1], (tile[2] + 90) % 180 + 20)
    draw.rounded_rectangle((4, 4, side - 5, side - 5), 18, fill=tile)
    for _ in range(chance.randrange(2, 5)):
        x, y = chance.randrange(14, 60), chance.randrange(14, 60)
        size = chance.randrange(12, 36)
        box = (x, y, min(x + size, 84), min(y + size, 84))
        kind = chance.randrange(4)
        if kind == 0:
            draw.ellipse(box, fill="white")
        elif kind == 1:
            draw.rectangle(box, fill="white")
        elif kind == 2:
            draw.line(box, fill="white", width=6)
        else:
            draw.arc(box, 0, chance.randrange(120, 360), fill="white", width=5)
    return picture


def pattern(number: int, seed: int = 0) -> Image.Image:
    """Stripes, checks, dots or waves of some period, direction and colours."""
    chance = random.Random(f"pattern {seed} {number}")
    x, y = np.meshgrid(np.arange(240), np.arange(240))
    turn, period = chance.uniform(0, math.pi), chance.uniform(7, 40)
    along = (x * math.cos(turn) + y * math.sin(turn)) * 2 * math.pi / period
    across = (y * math.cos(turn) - x * math.sin(turn)) * 2 * math.pi / period
    kind = number % 4
    wave = [
        np.sin(along),
        np.sign(np.sin(along)) * np.sign(np.sin(across)),
        np.where(np.sin(along) * np.sin(across) > 0.5, 1.0, -1.0),
        np.sin(along + 2 * np.sin(across / 2)),
    ][kind]
    colours = np.array([[chance.randrange(256) for _ in range(3)] for _ in range(2)], np.float32)
    colours[1] = np.where(np.abs(colours[0] - colours[1]) < 50, 255 - colours[0], colours[1])
    share = (wave[..., None] + 1) / 2
    return Image.fromarray((colours[0] * (1 - share) + colours[1] * share).astype(np.uint8))


def rendering(number: int, seed: int = 0) -> Image.Image:
    """One room with a ball and a box, which stand elsewhere in each picture."""
    chance = random.Random(f"rendering {seed} {number}")
    x, y = np.meshgrid(np.linspace(0, 1, 320), np.linspace(0, 1, 240))
    room = np.stack([180 - 60 * y, 175 - 50 * y, 165 - 30 * y + 20 * x], axis=-1)
    floor = y > 0.6
    tiles = (np.floor(x * 12) + np.floor((y - 0.6) * 30)) % 2
    room[floor] = (room - 30 * tiles[..., None])[floor]
    cx, cy, radius = chance.uniform(0.2, 0.8), chance.uniform(0.5, 0.8), chance.uniform(0.07, 0.14)
    distance = np.hypot((x - cx) * 4 / 3, y - cy) / radius
    light = np.clip(
        1.3 - np.hypot((x - cx) * 4 / 3 + radius / 2, y - cy + radius / 2) / radius, 0.2, 1
    )
    room = np.where((distance < 1)[..., None], light[..., None] * np.array([210.0, 60, 50]), room)
    picture = Image.fromarray(np.clip(room, 0, 255).astype(np.uint8))
    left, top = chance.randrange(10, 250), chance.randrange(90, 180)
    ImageDraw.Draw(picture).rectangle((left, top, left + 44, top + 40), fill=(60, 90, 150))
    return picture


def medical(number: int, seed: int = 0) -> Image.Image:
    """A grey cross-section: one outline, in which only the inner structure differs."""
    generator = np.random.default_rng([seed, number, 2])
    x, y = np.meshgrid(np.linspace(-1, 1, 256), np.linspace(-1, 1, 256))
    body = np.hypot(x / 0.8, y / 0.9)
    values = np.where(body < 1, 110.0, 8.0) + np.where((body > 0.9) & (body < 1), 90, 0)
    for side in (-1, 1):
        lung = np.hypot((x - side * 0.36) / 0.26, (y + 0.05) / 0.5)
        values = np.where(lung < 1, 45.0, values)
    for _ in range(60):
        cx, cy = generator.uniform(-0.6, 0.6), generator.uniform(-0.6, 0.6)
        size = generator.uniform(0.015, 0.07)
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * size**2))
        values = values + generator.uniform(-40, 60) * spot * (body < 0.9)
    values = values + generator.normal(0, 3, values.shape)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def empty(number: int, seed: int = 0) -> Image.Image:
    """Nearly nothing: blank paper, a covered lens, an even colour, each with a grain of its own."""
    generator = np.random.default_rng([seed, number, 3])
    level = [250.0, 4.0, float(generator.integers(30, 220))][number % 3]
    values = level + generator.normal(0, 2, (200, 280, 1)) + generator.uniform(-1, 1, 3)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


DRAWN: dict[str, Callable[[int, int], Image.Image]] = {
    "text pages": text_page,
    "forms": form,
    "scans": scan,
    "icons": icon,
    "patterns": pattern,
    "renderings": rendering,
    "medical": medical,
    "blank or dark": empty,
}
"""Functions that draw picture `number` of the series `seed`, by the kind of collection."""
