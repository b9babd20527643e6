"""Reads what an image file says of itself, and refuses it where that cannot be, before a pixel is decoded."""
