"""What is mutated: real images in every format that a line takes, and right messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as Picture

from linecore.inspection import Image, read_only
from linecore_plugins.zmq.header import Header
from linecore_plugins.zmq.wire import FrameMessage
from tests.linecore.encoded import by_pillow, tiff

SIDE = 96  # pixels: small, so that there is time for many


def images(folder: Path | None) -> list[bytes]:
    """Return each picture in each format and kind, and the files themselves."""
    return [*_files(folder), *(encoded for grey in _pictures(folder) for encoded in _formats(grey))]


def _files(folder: Path | None) -> list[bytes]:
    """Return two files of each class below *folder*."""
    if folder is None:
        return []
    return [path.read_bytes() for inner in sorted(folder.iterdir()) for path in sorted(inner.glob("*.jpg"))[:2]]


def _pictures(folder: Path | None) -> list[Image]:
    """Return a piece of each file; without any, drawn noise."""
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), np.uint8)
    drawn = [read_only(cv2.GaussianBlur(noise, (0, 0), 2)), noise]
    found = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_GRAYSCALE) for one in _files(folder)]
    return [read_only(one[:SIDE, :SIDE]) for one in found if one is not None] or drawn


def _formats(grey: Image) -> list[bytes]:
    colour = np.dstack([grey, 255 - grey, grey[::-1]])
    clear = np.dstack([colour, grey])
    deep, deep_colour = grey.astype(np.uint16) * 256 + 11, colour.astype(np.uint16) * 256
    held = Picture.Exif()
    held[274] = 6
    return [
        *(_encode(suffix, picture) for suffix in (".jpg", ".png", ".bmp", ".tiff") for picture in (grey, colour)),
        *(_encode(suffix, picture) for suffix in (".png", ".tiff") for picture in (deep, deep_colour)),
        by_pillow(colour, "JPEG", progressive=True, exif=held),
        by_pillow(colour, "JPEG", "CMYK"),
        by_pillow(colour, "JPEG", subsampling=0, restart_marker_blocks=4),
        *(by_pillow(colour, form, "P") for form in ("PNG", "BMP", "TIFF")),
        *(by_pillow(clear, form) for form in ("PNG", "BMP", "TIFF")),
        by_pillow(np.dstack([grey, grey]), "PNG"),
        by_pillow(grey, "PNG", "1"),
        *(by_pillow(grey, "TIFF", compression=one) for one in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg")),
        by_pillow(colour, "TIFF", "CMYK", compression="tiff_lzw"),
        tiff(grey, rows=7),
        tiff(colour, tile=32, order=">", packed=True, predict=True),
        tiff(deep_colour, tile=32, packed=True),
        tiff(grey, pages=2, tags={254: 1}),
        tiff(grey, tags={262: 0, 274: 5}),
    ]


def _encode(suffix: str, picture: Any) -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def messages(folder: Path | None) -> list[list[bytes]]:
    """Return right messages: files and pixels, with all that a header may say, and with little."""
    grey = _pictures(folder)[0]
    whole: dict[str, Any] = {
        "version": 1,
        "id": "left/coil-4711/000123",
        "encoding": "raw",
        "shape": [SIDE, SIDE],
        "dtype": "uint8",
        "captured_at": "2026-01-02T12:00:00.250Z",
        "part": {"coil": "4711", "metre": 118.5, "serial": "S1", "across": -3},
        "sender": "left",
        "sequence": 123,
    }
    header = {key: value for key, value in whole.items() if key in Header.model_fields}
    files = [_encode(suffix, grey) for suffix in (".jpg", ".png", ".bmp", ".tiff")]
    return [
        [json.dumps(header).encode(), grey.tobytes()],
        FrameMessage.of_image("colour", np.dstack([grey] * 3)).parts(),
        *(FrameMessage.of_file(f"file/{number}", file).parts() for number, file in enumerate(files)),
    ]
