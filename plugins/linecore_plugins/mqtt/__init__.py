"""Inspections, alarms and the line's state on an MQTT broker, for whoever subscribes."""
