"""The defect history: what was decided, when, why, and what became of it."""
