"""Worlds where the truth is known."""
