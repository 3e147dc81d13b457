"""Watching a run: each step's groups, its proxy against the truth, and alarms with a stated false-alarm rate."""
