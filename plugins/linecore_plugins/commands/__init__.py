"""Commands that need plugins by name: one command a file."""
