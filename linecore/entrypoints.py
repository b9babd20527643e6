"""Loads what a distribution offers, or says which extra is missing."""

from __future__ import annotations

import re
from importlib import metadata, util
from importlib.metadata import EntryPoint

from linecore.errors import MissingExtraError


def load(entry: EntryPoint, what: str) -> object:
    """Import what *entry* names; *what* opens the sentence of an error ("plugin 'zmq'").

    The entry's extra tells what it needs beyond its distribution's own requirements. That is looked up before anything
    is imported, so that a module may import a heavy library late, and its absence is still told early.

    Raises:
        MissingExtraError: a package of the extra is not installed.
    """
    extra = entry.extras[0] if entry.extras else None
    if extra is not None and (missing := [name for name in _requirements(entry, extra) if not _is_installed(name)]):
        distribution = entry.dist.metadata["Name"] if entry.dist else "linecore"
        raise MissingExtraError(f"{what} needs {', '.join(missing)}: pip install '{distribution}[{extra}]'")
    loaded: object = entry.load()
    return loaded


def _requirements(entry: EntryPoint, extra: str) -> list[str]:
    """Return the names of the distributions that *extra* adds."""
    marker = re.compile(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""")
    requires = (entry.dist.requires if entry.dist else None) or []
    return [re.split(r"[\s<>=!~;\[(]", line, maxsplit=1)[0] for line in requires if marker.search(line)]


def _is_installed(name: str) -> bool:
    """Look for a distribution, or a module of its name: "tensorflow" also comes as tensorflow-cpu."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return util.find_spec(name.replace("-", "_")) is not None
    return True
