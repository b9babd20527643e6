"""Every error that linecore raises on purpose.

::

    LinecoreError             one sentence for a person; the commands print it without a traceback
    ├── ConfigError           line.toml, or a wish on the command line, is wrong: file, key, value and wish (exit 2)
    │   ├── UnknownPluginError    no plugin of that name
    │   └── MissingExtraError     the plugin is there, what it needs is not installed
    ├── ModelError            a bundle is missing, damaged or not fit to serve (exit 2)
    ├── ConnectionFailedError a database, a broker or an address cannot be used (exit 2)
    ├── RefusedError          a database or a receiver works, and will never take this (exit 2)
    └── ImageError            these bytes or this array are no image that can be inspected (a NO_RESULT, never an exit)

Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations


class LinecoreError(Exception):
    """One sentence that says what is wrong and what would be right."""


class ConfigError(LinecoreError):
    """The configuration is wrong."""


class UnknownPluginError(ConfigError):
    """No plugin has that name."""


class MissingExtraError(ConfigError):
    """A plugin needs a package that is not installed."""


class ModelError(LinecoreError):
    """A model bundle cannot be served."""


class ConnectionFailedError(LinecoreError):
    """Something outside the process cannot be reached or used."""


class RefusedError(LinecoreError):
    """Something outside the process can be reached, and will never take what it was given."""


class ImageError(LinecoreError):
    """Not an image that can be inspected."""
