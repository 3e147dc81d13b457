"""Coverage-guided fuzzing of everything that reads what others wrote, and of the command line.

`python -m fuzz` runs a campaign, `python -m fuzz.child TARGET --input FILE` runs one input again.
"""
