"""Takes frames from cameras, streams and video files."""
