"""Frames, inspections and alarms over NATS JetStream: one line's work shared by several machines."""
