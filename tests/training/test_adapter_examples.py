"""The examples: one runs, all compile, and each is about a part of its own."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = [FOLDER / f"{name}.py" for name in ("clip_and_delta", "dcpo", "gaussian_rank", "par", "unlikeliness")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_they_compile_and_say_what_they_ask(script):
    tree = ast.parse(script.read_text())
    compile(tree, script.name, "exec")
    assert "?" in ast.get_docstring(tree).partition("\n")[0]
    assert "culpa.training.adapters.trl" in {one.module for one in tree.body if isinstance(one, ast.ImportFrom)}


@pytest.mark.slow
def test_one_runs():
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(FOLDER / "gaussian_rank.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    kinds = ["rewards", "advantages"]
    assert [line.split()[0] for line in lines] == ["trl_grpo", *kinds, "gaussian_rank", *kinds]
    assert lines[1] == lines[4]  # the same outputs, so the same jackpots
    divided, ranked = ([float(one) for one in lines[number].split()[1:]] for number in (2, 5))
    assert max(abs(one) for one in ranked) < 1.54  # the highest of 8 places
    assert ranked[0] < divided[0]  # the worst is told from the rest
