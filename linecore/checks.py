"""What can be said against a line's file once its plugins are known."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from linecore.alarms import AlarmRule
from linecore.decision import DecisionRules
from linecore.errors import ConfigError
from linecore.roster import Roster
from linecore.validation import did_you_mean


def check_complete(roster: Roster) -> None:
    """Check that there is a line to speak of.

    A line whose sink forwards its frames (``forwards = True`` in its class) needs no classifier:
    they are judged elsewhere.

    Raises:
        ConfigError: the line has no source or no classifier.
    """
    for hook, what in (("frames", "source"), ("classify", "classifier")):
        if not roster.answering(hook) and not (hook == "classify" and roster.forwards()):
            raise ConfigError(f"{roster.where}: [plugins] has no {what}; add one, see `linecore plugins list`")


def check_names(
    roster: Roster, rules: DecisionRules, alarms: Sequence[AlarmRule], names: Collection[str] | None = None
) -> None:
    """Refuse a label that no classifier can answer, or a source that is none: it would never pass, or raise its alarm.

    A classifier says what it knows in its attribute ``labels``, once it is started; one without it is not checked, nor
    one that is not among *names*.

    Raises:
        ConfigError: names the label and the nearest known one.
    """
    classifiers = [name for name in roster.answering("classify") if names is None or name in names]
    known = [label for name in classifiers for label in getattr(roster[name], "labels", ())]
    asked = [(f"alarms: {rule.name!r}: labels", label) for rule in alarms for label in rule.labels or ()]
    if "pass_labels" in rules.model_fields_set:
        asked += [("decision.pass_labels", label) for label in rules.pass_labels]
    sources = roster.answering("frames")
    for rule in alarms:
        for source in rule.sources or ():
            if source not in sources:
                hint = did_you_mean(source, sources) or f"; they are {', '.join(sources)}"
                raise ConfigError(f"{roster.where}: alarms: {rule.name!r}: sources has {source!r}, which is none{hint}")
    for key, label in asked if known else ():
        if label not in known:
            hint = did_you_mean(label, known) or f"; it knows {', '.join(known)}"
            raise ConfigError(f"{roster.where}: {key} has {label!r}, which the model does not know{hint}")


def remarks(roster: Roster, rules: DecisionRules) -> list[str]:
    """Say what of the file has no effect or is unsafe, though it is not wrong."""
    found = []
    if not roster.keepers():
        found.append("no sink keeps the verdicts; add [plugins.database]")
    for name in roster:  # what a plugin has to say against its own options stands in its attribute ``remarks``
        found += [f"plugins.{name}: {said}" for said in getattr(roster[name], "remarks", ())]
    classifiers = [roster[name] for name in roster.answering("classify")]
    # A classifier that does not say whether it measures novelty is believed to.
    if rules.max_novelty is not None and not any(getattr(one, "measures_novelty", True) for one in classifiers):
        found.append(f"decision.max_novelty is {rules.max_novelty:g} and has no effect: the model measures no novelty")
    return found
