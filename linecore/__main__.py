"""``python -m linecore``: the same as the command ``linecore``."""

from linecore.cli import main

main()
