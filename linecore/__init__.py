"""The line itself: frames in, verdicts and heat maps out, nothing lost unseen.

It knows no camera, no model and no database: those are plugins.
"""

from linecore.hookspecs import hookimpl

__all__ = ["hookimpl"]
