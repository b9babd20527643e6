from __future__ import annotations

import os
import subprocess
import sys

import pytest

from linecore_models.quiet import native_stderr_held


def test_native_noise_is_held_and_what_follows_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    with native_stderr_held():
        os.write(2, b"noise\n")
    os.write(2, b"news\n")
    assert capfd.readouterr().err == "news\n"


def test_noise_before_a_failure_is_let_out(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), native_stderr_held():
        os.write(2, b"why\n")
        raise RuntimeError
    assert capfd.readouterr().err == "why\n"


def test_tensorflow_is_loaded_without_a_word() -> None:
    code = "from linecore_models.quiet import load_tensorflow; load_tensorflow('this')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_without_tensorflow_one_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from linecore.errors import MissingExtraError\n"
        "from linecore_models.quiet import load_tensorflow\n"
        "try: load_tensorflow('`linecore train`')\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "`linecore train` needs tensorflow: pip install 'linecore[train]'\n"
