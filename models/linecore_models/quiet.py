"""TensorFlow's native code writes to file descriptor 2 whatever the logging level; here it is kept from doing so."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from linecore.errors import MissingExtraError


@contextmanager
def native_stderr_held() -> Iterator[None]:
    """Hold back what the process writes to file descriptor 2; it is let out only where the block raises."""
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(own, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(own, 2)
            os.close(own)


def load_tensorflow(wanted_by: str, first: Callable[[], None] | None = None) -> None:
    """Import TensorFlow without its greetings; MissingExtraError where it is not installed.

    *wanted_by* opens the sentence of the error: a command, a plugin. *first* is called before TensorFlow's first
    operation, for what it wants to be told by then.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with native_stderr_held():
        try:
            import tensorflow
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"{wanted_by} needs {error.name}: pip install 'linecore[train]'") from None
        if first is not None:
            first()
        tensorflow.zeros(1)  # the first operation looks for a GPU, and says what it found
