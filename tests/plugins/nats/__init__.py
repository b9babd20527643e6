"""NATS against a real server."""
