"""Draws frames for a report: with the true boxes, and beside that what the model saw; as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import cv2
import numpy as np

from linecore.inspection import FloatArray, Image, Region
from linecore_models.boxes import Box

SIDE = 224  # pixels that a frame's longer side gets
GAP = 6
QUALITY = 90  # of JPEG: a fourth of the bytes of PNG, and steel looks the same

DARK, LIGHT = (20, 20, 20), (245, 245, 245)
COLDEST, HOTTEST = 75, 238  # of inferno's 256 colours: darker ones look like shadows on steel, paler ones like glare
OPAQUE = 0.5  # at the hottest point, so that the defect still shows through
COLD = 0.12  # heat below is left clear
DASH, DASHES_APART = 5, 9  # pixels


def explained(image: Image, boxes: Iterable[Box], heat: FloatArray, found: Iterable[Region]) -> Image:
    """Return a frame (uint8, HxW) with its true boxes, dashed, and again under its heat map (HxW) with the regions."""
    left = scaled(np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8), SIDE)
    height, width = left.shape[:2]
    right = _heated(left, np.asarray(cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR), np.float32))
    factor = width / image.shape[1], height / image.shape[0]
    for box in boxes:
        _outline(left, (box.x0, box.y0, box.x1, box.y1), factor, dashed=True)
    for region in found:
        _outline(right, region.box, factor, dashed=False)
    return np.hstack([left, np.full((height, GAP, 3), 255, np.uint8), right])


def scaled(image: Image, side: int) -> Image:
    """Return a frame (uint8, HxW or HxWx3), enlarged or shrunk until its longer side has *side* pixels."""
    factor = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    interpolation = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)


def data_uri(image: Image) -> str:
    """Return pixels (uint8, HxW or HxWx3 BGR) as a JPEG in a URI, so that a page needs no other file."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _heated(steel: Image, heat: FloatArray) -> Image:
    heat = np.clip(heat, 0, 1)
    colours = cv2.applyColorMap((COLDEST + heat * (HOTTEST - COLDEST)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = OPAQUE * np.clip((heat - COLD) / (0.6 - COLD), 0, 1)
    return np.asarray(cv2.blendLinear(steel, colours, 1 - opacity, opacity), np.uint8)


def _outline(
    canvas: Image, box: tuple[float, float, float, float], factor: tuple[float, float], *, dashed: bool
) -> None:
    height, width = canvas.shape[:2]
    x0, x1 = max(round(box[0] * factor[0]), 1), min(round(box[2] * factor[0]) - 1, width - 2)
    y0, y1 = max(round(box[1] * factor[1]), 1), min(round(box[3] * factor[1]) - 1, height - 2)
    # A light line on a dark one can be told from any steel and from any heat.
    cv2.rectangle(canvas, (x0, y0), (x1, y1), DARK, 3)
    if not dashed:
        cv2.rectangle(canvas, (x0, y0), (x1, y1), LIGHT, 1)
        return
    for x in range(x0, x1 + 1, DASHES_APART):
        for y in (y0, y1):
            cv2.line(canvas, (x, y), (min(x + DASH, x1), y), LIGHT, 1)
    for y in range(y0, y1 + 1, DASHES_APART):
        for x in (x0, x1):
            cv2.line(canvas, (x, y), (x, min(y + DASH, y1)), LIGHT, 1)
