import sys
from pathlib import Path

from hypothesis import settings

# Test modules import one another as `tests.<folder>.<module>`, however pytest is called.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Machines are shared: how long an example takes says nothing of the code.
settings.register_profile("culpa", deadline=None)
settings.load_profile("culpa")
