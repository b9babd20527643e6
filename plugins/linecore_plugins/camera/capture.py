"""What OpenCV reads from a device, a stream or a file, and when it is a frame's turn."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import cv2

from linecore.clock import Clock
from linecore.inspection import Image, read_only
from linecore.validation import mask_password

_SECRET = re.compile(
    r"([?&;][^=&;]*(?:pass|pwd|token|key|auth|secret|sig)[^=&;]*=)[^&;#\s]*"  # in a query
    r"|((?:user|pass\w*|pwd)=)[^/?&;#\s]*",  # some cameras take /user=NAME_password=SECRET_channel=1 as their path
    re.IGNORECASE,
)
logger = logging.getLogger(__name__)


def masked(url: str) -> str:
    """Return a URL without its password and without what its query calls password, token, key and the like."""
    return _SECRET.sub(lambda match: f"{match[1] or match[2]}***", mask_password(url))


@contextmanager
def opened_stream(address: str | Path, *, timeout_s: float, threads: int) -> Iterator[cv2.VideoCapture]:
    """Open a stream or a file with FFmpeg; the answer may turn out not to be opened.

    RTSP goes over TCP, which is what OpenCV asks FFmpeg for, unless OPENCV_FFMPEG_CAPTURE_OPTIONS says otherwise.
    """
    milliseconds = max(1, int(timeout_s * 1000))
    options = {
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: milliseconds,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: milliseconds,
        cv2.CAP_PROP_N_THREADS: threads,
    }
    flat = [number for option in options.items() for number in option]
    capture = cv2.VideoCapture(str(address), cv2.CAP_FFMPEG, flat)
    try:
        yield capture
    finally:
        capture.release()


@contextmanager
def opened_device(number: int, *, width: int | None, height: int | None) -> Iterator[cv2.VideoCapture]:
    """Open a camera of this computer; the answer may turn out not to be opened."""
    # Asked for any backend, OpenCV tries all of them and each complains on stderr.
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    try:
        if width is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        if height is not None:
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        yield capture
    finally:
        capture.release()


def live_pictures(capture: cv2.VideoCapture, fps: float | None, clock: Clock, stopping: Flag) -> Iterator[Image]:
    """Yield the newest picture, up to *fps* times a second, until the camera fails or *stopping* is set.

    Pictures in between are taken from the camera and left: one that waited in a buffer would show the past.
    """
    period = 1 / fps if fps else 0.0
    due = clock.monotonic()
    while not stopping.is_set() and capture.grab():
        now = clock.monotonic()
        if now < due:
            continue
        due = max(due, now - period) + period
        taken, picture = capture.retrieve()
        if taken:
            yield read_only(picture)


def recorded_pictures(capture: cv2.VideoCapture, fps: float | None, stopping: Flag) -> Iterator[tuple[int, Image]]:
    """Yield the pictures of a file with their numbers from 0; with *fps*, that many of each second of the recording."""
    recorded_fps = capture.get(cv2.CAP_PROP_FPS)
    share = fps / recorded_fps if fps and recorded_fps > fps else 1.0
    number = 0
    while not stopping.is_set() and capture.grab():
        if number == 0 or int(number * share) > int((number - 1) * share):
            taken, picture = capture.retrieve()
            if taken:
                yield number, read_only(picture)
        number += 1
    promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    if not stopping.is_set() and number < promised:
        logger.warning("the recording ended after %d of %d pictures: it is damaged", number, promised)


def grey(image: Image) -> Image:
    """Return HxW pixels."""
    return image if image.ndim == 2 else read_only(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
