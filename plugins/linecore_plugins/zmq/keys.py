"""Keys of CurveZMQ: pairs in files, and the list of those that may send."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import zmq

from linecore.errors import ConfigError
from linecore.text import printable

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")  # Z85: 32 bytes as 40 characters
_FIELD = re.compile(r'^\s*(?P<name>public-key|secret-key)\s*=\s*"(?P<key>[^"]*)"\s*$', re.MULTILINE)
_SECRET_FILE = """# The secret key of {name}, for ZeroMQ. Whoever can read this file can pass for {name}.
curve
    public-key = "{public}"
    secret-key = "{secret}"
"""
MAKE_ONE = "`linecore keys new NAME` makes one"


def is_key(text: str) -> bool:
    """Say whether *text* can be a public key: 40 characters of ZeroMQ's Z85."""
    return _KEY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key, and the secret one that belongs to it; both as 40 characters."""

    public: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Make a pair.

        Raises:
            ConfigError: this ZeroMQ was built without CURVE.
        """
        check_curve()
        public, secret = zmq.curve_keypair()
        return cls(public.decode(), secret.decode())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a secret file, as ``linecore keys new`` writes it and other programs of ZeroMQ do.

        Raises:
            ConfigError: it is missing, open to everybody, or holds no pair.
        """
        check_curve()
        text = _read(path)
        if path.stat().st_mode & stat.S_IRWXO:
            raise ConfigError(f"the key file {path} is open to everybody on this computer; chmod 600 it")
        found = {match["name"]: match["key"] for match in _FIELD.finditer(text)}
        secret = found.get("secret-key", "")
        if not is_key(secret):
            raise ConfigError(f"the key file {path} holds no secret key; name the file NAME.secret, {MAKE_ONE}")
        public = zmq.curve_public(secret.encode()).decode()
        if found.get("public-key", public) != public:
            raise ConfigError(f"the key file {path} holds two keys that do not belong together; {MAKE_ONE}")
        return cls(public, secret)

    def write(self, path: Path, name: str) -> tuple[Path, Path]:
        """Write ``PATH.secret``, which its owner alone can read, and ``PATH.public``; the answer is both.

        Raises:
            ConfigError: one of them exists, which is never overwritten, or cannot be written.
        """
        secret, public = path.with_name(f"{path.name}.secret"), path.with_name(f"{path.name}.public")
        for one in (secret, public):
            if one.exists():
                raise ConfigError(f"{one} exists, and keys are never overwritten; name another, or remove it yourself")
        self._write(secret, 0o600, _SECRET_FILE.format(name=name, public=self.public, secret=self.secret))
        self._write(public, 0o644, f"{self.public} {name}\n")
        return secret, public

    @staticmethod
    def _write(path: Path, mode: int, text: str) -> None:
        try:
            # Exclusive, and with its mode from the first moment: nobody gets to read it in between.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written: {error.strerror}; name a folder that you may write to"
            ) from None


def read_public(text: str) -> str:
    """Return a public key from *text*: the key itself, or the path of a file that holds it.

    Raises:
        ConfigError: it is neither.
    """
    if is_key(text):
        return text
    path = Path(text)
    if not path.exists():
        raise ConfigError(f"{text!r} is neither a key, which has 40 characters, nor a file with one; {MAKE_ONE}")
    content = _read(path)
    for match in _FIELD.finditer(content):
        if match["name"] == "public-key" and is_key(match["key"]):
            return match["key"]
    for line in content.splitlines():
        if is_key(line.split(" ")[0]):
            return line.split(" ")[0]
    raise ConfigError(f"the file {path} holds no public key; {MAKE_ONE}")


class AllowList:
    """The keys that may send, by the names of their owners: a file with a line ``public-key name`` for each.

    It is read again when it has changed, so that a key that is taken out is refused from the next message on. While it
    cannot be read, what it said last holds.

    Raises:
        ConfigError: the file is missing, or a line of it is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._look()
        self._names: Mapping[str, str] = _parse(_read(path), path)

    def __len__(self) -> int:
        return len(self._names)

    def name_of(self, key: str) -> str | None:
        """Return whose key it is; None where it is nobody's who may send."""
        look = self._look()
        if look != self._seen:
            self._seen = look
            try:
                self._names = _parse(_read(self._path), self._path)
            except ConfigError as error:
                logger.warning("the keys that may send stay as they were: %s", error)
            else:
                logger.info("%s was read again: %d keys may send", self._path, len(self._names))
        return self._names.get(key)

    def _look(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_size, status.st_ino)


def check_curve() -> None:
    """Refuse a ZeroMQ without encryption.

    Raises:
        ConfigError: this ZeroMQ was built without CURVE.
    """
    if not zmq.has("curve"):
        raise ConfigError("this ZeroMQ was built without CURVE, so it knows no keys; install pyzmq from its wheel")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise ConfigError(f"the key file {path} does not exist; {MAKE_ONE}") from None
    except OSError as error:
        raise ConfigError(f"the key file {path} cannot be read: {error.strerror}; see who may read it") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the key file {path} is no text; {MAKE_ONE}") from None


def _parse(text: str, path: Path) -> Mapping[str, str]:
    names = {}
    for number, line in enumerate(text.splitlines(), 1):
        key, _, name = line.strip().partition(" ")
        if is_key(key):
            names[key] = printable(name.strip()) or key
        elif line.strip() and not line.startswith("#"):  # after the keys: they may begin with that sign
            raise ConfigError(f"{path}, line {number}, is no `public-key name`; a key has 40 characters")
    return names
