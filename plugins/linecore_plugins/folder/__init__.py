"""Takes image files from a folder as they arrive."""
