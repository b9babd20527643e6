"""Draws what was found on a frame, for people: the heat map, the regions and the verdict."""

from __future__ import annotations

import textwrap

import cv2
import numpy as np

from linecore.inspection import Box, Decision, Explanation, FloatArray, Image, Verdict

Colour = tuple[int, int, int]
"""Blue, green, red."""

LONG_SIDE = 480  # pixels that the frame's longer side gets at least: less cannot be read
NARROWEST = 420  # pixels of the whole picture's width: the caption needs them

PAPER: Colour = (32, 28, 26)
INK: Colour = (245, 245, 245)
FAINT: Colour = (190, 186, 182)
SHADOW: Colour = (20, 20, 20)
BADGES: dict[Decision, tuple[Colour, Colour]] = {  # background and text, told apart in grey, too
    Decision.PASS: ((96, 174, 39), SHADOW),
    Decision.FAIL: ((48, 48, 214), INK),
    Decision.UNCERTAIN: ((0, 176, 245), SHADOW),
    Decision.NO_RESULT: ((160, 100, 60), INK),
}
FONT = cv2.FONT_HERSHEY_DUPLEX
COLDEST, HOTTEST = 75, 238  # of inferno's 256 colours: darker ones look like shadows on steel, paler ones like glare
OPAQUE = 0.5  # at the hottest point, so that the defect still shows through
COLD = 0.12  # heat below is left clear


def overlay(image: Image, explanation: Explanation, verdict: Verdict) -> Image:
    """Return *image* (HxW or HxWx3 BGR) with its heat map, region boxes and a caption below: BGR, new pixels.

    Small frames are enlarged. The heat map is clear where it is cold; grey frames stay grey there.
    """
    factor = max(1, -(-LONG_SIDE // max(image.shape[:2])))
    size = (image.shape[1] * factor, image.shape[0] * factor)
    colour = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    enlarged = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    heat = np.asarray(cv2.resize(explanation.heatmap, size, interpolation=cv2.INTER_LINEAR), np.float32)
    canvas = _heated(enlarged, heat)
    for region in explanation.regions:
        _draw_box(canvas, region.box, factor)
    return _framed(canvas, verdict)


def _heated(steel: Image, heat: FloatArray) -> Image:
    heat = np.clip(heat, 0, 1)
    colours = cv2.applyColorMap((COLDEST + heat * (HOTTEST - COLDEST)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = OPAQUE * np.clip((heat - COLD) / (0.6 - COLD), 0, 1)
    return np.asarray(cv2.blendLinear(steel, colours, 1 - opacity, opacity), np.uint8)


def _draw_box(canvas: Image, box: Box, factor: int) -> None:
    x0, y0, x1, y1 = (side * factor for side in box)
    width = max(2, min(canvas.shape[:2]) // 300)
    # A light line on a dark one can be told from any steel and from any heat.
    for colour, thickness in ((SHADOW, width + 2), (INK, width)):
        cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), colour, thickness, cv2.LINE_AA)


def _framed(canvas: Image, verdict: Verdict) -> Image:
    """Return *canvas* centred above the caption."""
    height, width = canvas.shape[0], max(canvas.shape[1], NARROWEST)
    caption = _caption(verdict, width)
    whole: Image = np.full((height + caption.shape[0], width, 3), PAPER, np.uint8)
    left = (width - canvas.shape[1]) // 2
    whole[:height, left : left + canvas.shape[1]] = canvas
    whole[height:] = caption
    return whole


def _caption(verdict: Verdict, width: int) -> Image:
    """Return a strip of *width* with the decision, the label and its confidence, and below them the reason."""
    unit = max(1.0, width / 600)  # pixels of the picture for one of the design
    pad, head, line = round(12 * unit), round(36 * unit), round(24 * unit)
    notes = _notes(verdict.reason or "", width - 2 * pad, 0.5 * unit)
    strip: Image = np.full((2 * pad + head + line * len(notes), width, 3), PAPER, np.uint8)
    middle = pad + head // 2
    background, ink = BADGES[verdict.decision]
    decision = verdict.decision.replace("_", " ")
    badge = 2 * pad + _width(decision, 0.75 * unit)
    cv2.rectangle(strip, (pad, pad), (pad + badge, pad + head), background, cv2.FILLED)
    _write(strip, decision, (2 * pad, middle), 0.75 * unit, ink)
    says = [] if verdict.label is None else [verdict.label]
    says += [] if verdict.confidence is None else [f"{verdict.confidence:.1%}"]
    answer = "  ".join(says)
    room = width - badge - 3 * pad
    scale = 0.8 * unit * min(1.0, room / max(1, _width(answer, 0.8 * unit)))
    _write(strip, answer, (badge + 2 * pad, middle), scale, INK)
    for number, note in enumerate(notes):
        _write(strip, note, (pad, pad + head + round(line * (number + 0.8))), 0.5 * unit, FAINT)
    return strip


def _notes(reason: str, width: int, scale: float) -> list[str]:
    """Return the reason in lines that fit."""
    letters = width * len(reason) // max(1, _width(reason, scale))
    return textwrap.wrap(reason, max(20, letters - 2), max_lines=3, placeholder=" ...")


def _width(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, FONT, scale, max(1, round(scale)))[0][0])


def _write(strip: Image, text: str, at: tuple[int, int], scale: float, colour: Colour) -> None:
    """Write *text* with its left end and the middle of its capitals *at* (x, y)."""
    thickness = max(1, round(scale))
    (_, capital), _ = cv2.getTextSize("N", FONT, scale, thickness)
    x, y = at
    cv2.putText(strip, text, (x, y + capital // 2), FONT, scale, colour, thickness, cv2.LINE_AA)
