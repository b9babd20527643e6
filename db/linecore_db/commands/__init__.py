"""What the history adds to ``linecore``; one command a file."""
