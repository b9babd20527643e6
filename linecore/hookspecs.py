"""What a plugin can answer: the manual for plugin authors.

A plugin is one class. A nested ``Config`` (a frozen pydantic model) says what its table in ``line.toml`` may hold;
``__init__(config)`` gets it validated; the methods marked with :data:`hookimpl` are the hooks that it answers. An
implementation may take fewer arguments than the specification. No base class is needed::

    from linecore import hookimpl

    class PrintSink:
        @hookimpl
        def record(self, inspections):
            for inspection in inspections:
                print(inspection.frame.id, inspection.verdict.decision)

Plugins are asked in the order of ``line.toml``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pluggy

from linecore import hookimpl as hookimpl
from linecore.alarms import Alarm
from linecore.inspection import Classification, Evidence, Explanation, Frame, Inspection
from linecore.ledger import Outcome
from linecore.log import LogEntry

if TYPE_CHECKING:
    from linecore.line import Line

hookspec = pluggy.HookspecMarker("linecore")


class HookSpecs:
    """Grouped by the life of a line: getting ready, taking frames, judging, telling, stopping."""

    # Getting ready

    @hookspec
    def start(self, line: Line) -> None:
        """Acquire what is needed: open files, connect, load the model, subscribe to ``line.bus``.

        Called once, before the first frame, plugin by plugin. ``line`` stays the same until :meth:`stop`; keep it if
        you make frames (``line.frame``), publish events (``line.bus``) or need a folder to remember things in
        (``line.state_folder``). A source that could wait for more asks ``line.until_exhausted`` whether to run dry
        instead. Raising stops the line from starting: raise a :class:`linecore.errors.LinecoreError`
        for what its user can mend, and it is shown as one sentence.
        """

    # Taking frames: sources

    @hookspec
    def frames(self, stopping: threading.Event) -> Iterator[Frame]:
        """Yield frames, made with ``line.frame(self, key=...)``, until there are no more or ``stopping`` is set.

        A source that hands on what another line has captured yields that line's frames as they are, with their own id,
        line and source; they are settled with whoever has yielded them here.

        Called once, in a thread of the source's own. The line takes the next frame when it has room for one, unless the
        plugin's class says ``policy = "newest"``: then frames that it cannot take in time are dropped and counted.
        Wait with ``stopping.wait(seconds)``, so that the line can stop. Raising ends this source as if it were dry,
        and publishes :class:`linecore.events.PluginFailed`.
        """
        raise NotImplementedError

    @hookspec
    def settle(self, frame: Frame, outcome: Outcome) -> None:
        """This frame of yours is safe, or dropped: acknowledge it, move its file, commit the offset.

        Called once for each frame that was yielded, from a thread of its own, and only when its inspection is in the
        journal on disk (``outcome.recorded``) or it was let go (``outcome.dropped`` says why). ``frame`` comes without
        its pixels. A frame that was never settled must be offered again after a restart, with the same id. A source
        whose frames another machine could take over has the attribute ``settle_after_s``: then the line waits for every
        sink first, up to so many seconds.
        """

    # Judging: classifiers and explainers

    @hookspec(firstresult=True)
    def classify(self, frame: Frame) -> Classification | None:
        """Say what is on ``frame``, whose image is decoded, or None to leave it to the next.

        The first answer that is not None counts; the plugins after it are not asked. Called from several worker threads
        at once. Raising makes the frame a NO_RESULT with the exception as its reason.
        """

    @hookspec(firstresult=True)
    def explain(self, frame: Frame, classification: Classification) -> Explanation | None:
        """Say where on ``frame`` the classification comes from, or None to leave it to the next.

        The first answer that is not None counts; the plugins after it are not asked. Called from several worker threads
        at once, after the verdict has been published. Raising leaves the inspection without an explanation.
        """

    # Telling: sinks and notifiers

    @hookspec
    def evidence(self, inspection: Inspection) -> Sequence[Evidence]:
        """Say which files you will keep of this inspection, before any sink records it, so that all can name them.

        Called in the worker; must be quick and do no I/O. An empty answer means none. Raising counts as none.
        """
        raise NotImplementedError

    @hookspec
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store this batch, oldest first; returning means that all of it is stored.

        Called in the sink's own thread: it may take its time without delaying a verdict or another sink. Raising means
        that none of it was stored: the same inspections come again, in the same order, so storing one twice must be
        harmless (``inspection.frame.id`` tells them apart). Raise :class:`linecore.errors.ConnectionFailedError` or an
        ``OSError`` where what you talk to is away: the lane waits for it. Anything else means that you refuse this
        batch; one inspection that you refuse while you take others becomes a dead letter.

        ``inspection.buffered`` says that it comes later than it happened. A class that says ``pixels = False`` never
        looks at pictures: then a frame that comes from the journal is all black, of the right size. One that says
        ``live = True`` is only for the moment: nothing is kept for it, and what it cannot take is let go.
        """

    @hookspec
    def notify(self, alarm: Alarm) -> None:
        """Tell the world of an alarm's change of state.

        Called in the plugin's own thread, once for each change, in order. Raising means it comes again.
        """

    @hookspec
    def log(self, entries: Sequence[LogEntry]) -> None:
        """Store what happened to the line: dropped frames, gaps, a new configuration; oldest first.

        Called like ``record``, in the plugin's own thread. Raising means that the same entries come again, so storing
        one twice must be harmless (its ``id`` tells).
        """

    # Stopping

    @hookspec
    def stop(self) -> None:
        """Flush and release. Called once, also after a failed start; raising stops nobody else from stopping."""
