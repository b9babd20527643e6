"""Draws a rolling strip of hot-rolled steel, clean or with the six defects, and knows what it drew."""
