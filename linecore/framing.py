"""Makes frames: ids that are stable and never too long, sequence numbers, pixels that are what they say."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import datetime
from threading import Lock

import numpy as np

from linecore.clock import Clock
from linecore.errors import ImageError
from linecore.inspection import NOT_DECODED, Frame, Image, Part, Truth, read_only

STREAMS = 10_000  # whose numbers are remembered; a sender that gives itself a new name each time must cost nothing
LONGEST_KEY = 160  # characters; with the names of line and source an id stays under the 255 of the history's column

STREAMS = 10_000  # whose numbers are remembered: names that change with each start must not fill the memory


class Framing:
    """Makes the frames of one line."""

    def __init__(self, line: str, clock: Clock, gap: Callable[[str, str, int, int], None] = lambda *_: None) -> None:
        self._line = line
        self._clock = clock
        self._gap = gap  # told the source, the stream, the number that was next and the one that came
        self._next: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._sequence: Counter[str] = Counter()
        self._lock = Lock()

    def frame(
        self,
        source: str,
        key: str,
        *,
        image: Image | None,
        encoded: bytes | None,
        captured_at: datetime | None,
        part: Part,
        origin: str | None,
        truth: Truth | None,
        sequence: int | None = None,
        stream: str = "",
    ) -> Frame:
        """Make the frame of *source* that *key* names for ever.

        Raises:
            ImageError: *image* has another dtype or shape: pixels that wrap around would be judged as if real.
        """
        if image is not None:
            _check_pixels(image)
        if len(key) > LONGEST_KEY:
            digest = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=8).hexdigest()
            key = f"{key[: LONGEST_KEY - 17]}~{digest}"
        if sequence is None:
            with self._lock:
                sequence = self._sequence[source]
                self._sequence[source] += 1
        else:
            self._look_for_gap(source, stream, sequence)
        return Frame(
            id=f"{self._line}/{source}/{key}",
            line=self._line,
            source=source,
            sequence=sequence,
            captured_at=captured_at or self._clock.now(),
            image=NOT_DECODED if image is None else read_only(image),
            encoded=encoded,
            part=part,
            origin=origin,
            truth=truth,
        )

    def _look_for_gap(self, source: str, stream: str, sequence: int) -> None:
        """Compare a source's own number with the one that was next; a lower one is a frame that comes again."""
        with self._lock:
            expected = self._next.get((source, stream))
            if expected is None or sequence >= expected or sequence == 0:
                self._next[source, stream] = sequence + 1
                self._next.move_to_end((source, stream))
                if len(self._next) > STREAMS:
                    self._next.popitem(last=False)
        if expected is not None and sequence > expected:
            self._gap(source, stream, expected, sequence)


def _check_pixels(image: Image) -> None:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise ImageError(f"image is {image.dtype} of shape {image.shape}; it must be uint8, HxW or HxWx3")
