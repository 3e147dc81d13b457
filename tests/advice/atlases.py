"""An atlas whose every cell is known: two kinds of worlds, eight seeds, levels written by hand."""

import numpy as np
import polars as pl

from culpa.advice.atlas import Atlas

WIGGLE = np.array([-3, 3, -2, 2, -1, 1, -4, 4])  # thousandths; mean 0

EFFECTS = {  # remedy -> size -> effect in each world, thousandths
    "good": {1.0: (200, 100), 2.0: (300, 200)},
    "bad": {1.0: (-200, -100), 2.0: (-50, -60)},
    "worse": {1.0: (-400, -300), 2.0: (-300, -300)},
    "fades": {1.0: (100, 120), 2.0: (4, -4)},
    "torn": {1.0: (200, -200), 2.0: (200, -150)},
    "turns": {1.0: (100, 100), 2.0: (-100, -100)},
    "idle": {1.0: (0, 0), 2.0: (1, -1)},
    "small": {1.0: (15, 15), 2.0: (16, 16)},
    "noisy": {1.0: (50, 50), 2.0: (50, 50)},
    "lopsided": {1.0: (202, -2), 2.0: (202, -2)},
    "slows": {1.0: (90, 90), 2.0: (15, 15)},
    "alone": {1.0: (200,), 2.0: (200,)},
}
REMEDIES = ("untouched", *EFFECTS)


def recipe():
    worlds = ["flat", "round"]
    return {
        "recipe": 9,
        "version": "0.0",
        "seeds": list(range(1, 9)),
        "worlds": worlds,
        "learner": "rloo:8",
        "prompts": 3,
        "outputs": 4,
        "updates": 5,
        "eta": 0.1,
        "bare_ns": 2.0,
        "seconds": 90.0,
        "defects": {
            "tilt": {"about": "it leans", "size_is": "degrees", "sizes": [1.0, 2.0], "worlds": worlds},
        },
        "remedies": {
            name: {
                "about": f"a | {name}",
                "worlds": worlds[-1:] if name == "alone" else worlds,
                "outputs": 2.0 if name == "good" else 1.0,
                "updates": 0.5 if name == "bad" else 1.0,
                "ns": 30.0 if name == "good" else None,
            }
            for name in REMEDIES
        },
    }


def atlas():
    rows = []
    for size in (1.0, 2.0):
        for number, world in enumerate(("flat", "round")):
            base = 502 + 10 * np.arange(8) - int(100 * size)
            rows.append((world, "tilt", size, "untouched", base.tolist(), 200))
            for name, by_size in EFFECTS.items():
                effects = by_size[size]
                if len(effects) == 1 and number == 0:
                    continue
                swing = 60 * WIGGLE if name == "noisy" else WIGGLE
                level = base + effects[-1 if len(effects) == 1 else number] + swing
                rows.append((world, "tilt", size, name, level.tolist(), 150))
    schema = {
        "world": pl.String, "defect": pl.String, "size": pl.Float64, "remedy": pl.String,
        "level": pl.List(pl.Int16), "kl": pl.Int16,
    }  # fmt: skip
    return Atlas(pl.DataFrame(rows, schema=schema, orient="row"), recipe())
