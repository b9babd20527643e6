"""Takes frames over ZeroMQ, and sends them: the wire format, both of its ends, and the source."""
