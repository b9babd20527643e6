"""The line itself: frames in, verdicts and heat maps out, nothing lost unseen.

It knows no camera, no model and no database: those are plugins.
"""

import pluggy

__all__ = ["hookimpl"]

hookimpl = pluggy.HookimplMarker("linecore")
"""Marks the methods of a plugin that answer a hook; :mod:`linecore.hookspecs` says which there are."""
