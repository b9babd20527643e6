"""Sources, classifiers, explainers, sinks and notifiers: one file a plugin, named after what it speaks."""
