"""The demo's picture: each kernel's input beside its result, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from rkruntime.cli._demo_tasks import Demonstration

__all__ = ("compose",)

Array: TypeAlias = npt.NDArray[Any]

SIDE = 400
GAP = 24
MARGIN = 40
HEAD = 96
TITLE = 62
CAPTION = 34
SMOOTH = 3
PAPER, INK, QUIET, LINE = "#fbfaf7", "#1c2530", "#66707c", "#1f6f8b"
ACCENT, RULE = "#c8553d", "#d9d5cb"

# Height from lowest to highest -> colour: valley green, meadow, sand, rock, snow.
RAMP_AT = (0.0, 0.25, 0.5, 0.75, 1.0)
RAMP = ((92, 124, 94), (157, 173, 118), (214, 195, 143), (166, 128, 98), (245, 243, 240))


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load Pillow's own font in `size` pixels."""
    return ImageFont.load_default(size)


def compose(shown: Sequence[Demonstration], device: str) -> Image.Image:
    """Draw all demonstrations, two a row, each with its input and its result."""
    by_kernel = {one.kernel: one for one in shown}
    blocks = [
        ("Hills that creep", by_kernel["diffuse"], terrain_panels),
        ("Edges of a photograph", by_kernel["sobel"], edge_panels),
        ("Grey levels, counted and evened out", by_kernel["histogram"], level_panels),
        ("Cycles of the sun", by_kernel["lomb_scargle"], sunspot_panels),
    ]
    width_px = 2 * (2 * SIDE + GAP // 2) + 2 * GAP + 2 * MARGIN
    block_px = TITLE + SIDE + CAPTION + GAP
    page = Image.new("RGB", (width_px, HEAD + 2 * block_px + MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, 26), "numba.cuda kernels as actors in one runtime", INK, font(32))
    draw.text((MARGIN, 66), f"Run on {device}, each result checked against NumPy", QUIET, font(17))
    for i, (title, one, panels) in enumerate(blocks):
        x = MARGIN + (i % 2) * (2 * SIDE + GAP // 2 + 2 * GAP)
        y = HEAD + GAP + (i // 2) * block_px
        verdict = "agrees" if one.agrees else "DOES NOT AGREE"
        draw.line((x, y, x + 2 * SIDE + GAP // 2, y), RULE, 2)
        draw.text((x, y + 8), title, INK, font(21))
        told = f"{one.kernel}: {one.shows}; largest error {one.error:.2g} {one.unit}, {verdict}"
        draw.text((x, y + 35), told, QUIET if one.agrees else ACCENT, font(15))
        for k, (panel, caption) in enumerate(panels(one)):
            left = x + k * (SIDE + GAP // 2)
            page.paste(panel, (left, y + TITLE))
            draw.text((left, y + TITLE + SIDE + 7), caption, INK, font(15))
    return page


Panels: TypeAlias = tuple[tuple[Image.Image, str], tuple[Image.Image, str]]


def terrain_panels(one: Demonstration) -> Panels:
    """Show the hills before and after, lit from the north-west in the colours of a map."""
    low, high = float(one.given.min()), float(one.given.max())
    before, after = (shade(height, low, high) for height in (one.given, one.result))
    return (before, "Jacksboro fault, Tennessee: 236 to 1,076 m"), (after, "The same after 20 million years of creep")


def shade(height: Array, low: float, high: float) -> Image.Image:
    """Colour by height between `low` and `high`, and darken what turns away from the north-west."""
    z = height.astype(np.float64)
    down, across = np.gradient(z, 92.7, 74.4)
    up = 4.0  # heights drawn four times as steep as they are
    normal = np.stack([-up * across, up * down, np.ones_like(z)]) / np.sqrt(1 + up**2 * (across**2 + down**2))
    light = np.tensordot(np.array([-0.5, 0.5, 0.7071]), normal, 1)
    level = np.clip((z - low) / (high - low), 0, 1)
    colour = np.stack([np.interp(level, RAMP_AT, [c[k] for c in RAMP]) for k in range(3)], axis=-1)
    lit = np.clip(colour * (0.45 + 0.75 * np.clip(light, 0, 1))[..., None], 0, 255)
    return fit(Image.fromarray(lit.astype(np.uint8)))


def edge_panels(one: Demonstration) -> Panels:
    """Show the photograph, and its edges as ink on paper."""
    ink = 255 - 255 * np.sqrt(np.clip(one.result / np.percentile(one.result, 99.5), 0, 1))
    return (fit(grey(one.given)), "The photograph, 512 x 512"), (fit(grey(ink)), "Strength of its edges")


def level_panels(one: Demonstration) -> Panels:
    """Show the counts as bars, and the photograph with each level used equally often."""
    canvas, draw = plot()
    scale = SMOOTH * (SIDE - 60)
    tallest = float(one.result.max())
    for level, count in enumerate(one.result):
        x = SMOOTH * 30 + level * (scale / 256)
        bottom = SMOOTH * (SIDE - 40)
        draw.rectangle((x, bottom - scale * float(count) / tallest, x + scale / 256, bottom), LINE)
    axis(draw, [(30, "0"), (SIDE - 52, "255")])
    rank = np.cumsum(one.result) / max(int(one.result.sum()), 1)
    side = round(one.given.size**0.5)
    evened = grey(255 * rank[one.given].reshape(side, side))
    return (settle(canvas), "How often each grey level occurs"), (
        fit(evened),
        "The photograph evened out by these counts",
    )


def sunspot_panels(one: Demonstration) -> Panels:
    """Show the series, and the power of each period with the strongest named."""
    series, draw = plot()
    times, values = one.given
    curve(draw, times, values, times[0], times[-1], SMOOTH)
    axis(draw, [(30, "1749"), (SIDE - 60, "2009")])
    frequencies = one.extra if one.extra is not None else np.arange(1.0, one.result.size + 1)
    periods = 1 / frequencies
    near = (periods >= 4) & (periods <= 25)
    spectrum, draw = plot()
    curve(draw, periods[near], one.result[near], 4.0, 25.0, 2 * SMOOTH)
    axis(draw, [(30 + (SIDE - 60) * (p - 4) / 21 - 8, str(p)) for p in (5, 10, 15, 20, 25)])
    best = float(periods[one.result.argmax()])
    x = SMOOTH * (30 + (SIDE - 60) * (best - 4) / 21 + 12)
    draw.text((x, SMOOTH * 22), f"{best:.1f} years", ACCENT, font(SMOOTH * 19))
    return (settle(series), "Sunspots, monthly means"), (settle(spectrum), "Power by period in years")


def plot() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Begin a chart, some times larger than it will be, so that its lines come out smooth."""
    canvas = Image.new("RGB", (SIDE * SMOOTH, SIDE * SMOOTH), "#ffffff")
    return canvas, ImageDraw.Draw(canvas)


def settle(canvas: Image.Image) -> Image.Image:
    """Bring a chart to its size."""
    return canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def curve(draw: ImageDraw.ImageDraw, x: Array, y: Array, first: float, last: float, width_px: int) -> None:
    """Draw y over x from `first` to `last`, filling the chart's height."""
    span = SMOOTH * (SIDE - 60)
    across = SMOOTH * 30 + span * (x - first) / (last - first)
    down = SMOOTH * (SIDE - 40) - span * (y - y.min()) / max(float(np.ptp(y)), 1e-300)
    draw.line([(float(a), float(b)) for a, b in zip(across, down, strict=True)], LINE, width_px, "curve")


def axis(draw: ImageDraw.ImageDraw, labels: Sequence[tuple[float, str]]) -> None:
    """Draw the axis at the bottom, with labels at distances in pixels from the left."""
    bottom = SMOOTH * (SIDE - 40)
    draw.line((SMOOTH * 30, bottom, SMOOTH * (SIDE - 30), bottom), QUIET, SMOOTH)
    for left, text in labels:
        draw.text((SMOOTH * left, bottom + SMOOTH * 8), text, QUIET, font(SMOOTH * 15))


def grey(levels: Array) -> Image.Image:
    """Turn levels from 0 to 255 into a grey picture."""
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGB")


def fit(picture: Image.Image) -> Image.Image:
    """Bring a picture to the panels' size."""
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
