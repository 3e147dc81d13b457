"""A campaign: every target until its share of the executions is done, two at a time; goes on where it stopped."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fuzz.page import write_page

HERE = Path(__file__).resolve().parent
RECORD, STATE = HERE / "record.json", HERE / "state"
SLICE = 240.0  # seconds of a target at a time: a process that grew is begun anew
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")
_SUMS = ("executions", "seconds")

Facts = dict[str, Any]


def main() -> None:
    """`python -m fuzz`, perhaps `--only reader.` and `--share 0.01` for a first look."""
    flags = argparse.ArgumentParser(description=main.__doc__)
    flags.add_argument("--processes", type=int, default=2)
    flags.add_argument("--only", default="", help="Beginning of the targets' names.")
    flags.add_argument("--share", type=float, default=1.0, help="Of each target's executions.")
    flags.add_argument("--anew", action="store_true", help="Forget what earlier runs did; the corpus stays.")
    flags.add_argument("--big", action="store_true", help="Only the large inputs.")
    asked = flags.parse_args()
    STATE.mkdir(exist_ok=True)
    shares = {name: int(count * asked.share) for name, count in _shares().items() if name.startswith(asked.only)}
    if asked.anew:
        for name in shares:
            _path(name).unlink(missing_ok=True)
    order = sorted(shares, key=lambda name: shares[name])
    if not asked.big:
        with ThreadPoolExecutor(asked.processes) as pool:
            list(pool.map(lambda name: _whole(name, shares[name]), order))
    if asked.big or not asked.only:
        subprocess.run([sys.executable, "-m", "fuzz.big", str(STATE / "big.json")], check=False, env=_settings())
    record = _record()
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_page(record, HERE.parent / "docs" / "fuzzing.md")
    print(f"{record['executions']:,} executions, {len(record['findings'])} findings: {RECORD}")
    sys.exit(1 if record["findings"] else 0)


def _shares() -> dict[str, int]:
    """Executions of each target; asked of a process of its own, so that this one stays small."""
    code = "import json; from fuzz.all import known; print(json.dumps({n: t.executions for n, t in known().items()}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=_settings())
    shares: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return shares


def _whole(name: str, share: int) -> None:
    """One target until its share is done, slice by slice; a process that dies is a finding."""
    while (facts := _facts(name))["executions"] < share and len(facts["died"]) < 3:
        part = STATE / f"{name}.part.json"
        part.unlink(missing_ok=True)
        wanted = share - facts["executions"]
        command = [sys.executable, "-m", "fuzz.child", name, "--executions", str(wanted), "--state", str(part),
                   "--seconds", str(SLICE), "--seed", str(facts["executions"] + 1)]  # fmt: skip
        with (STATE / f"{name}.log").open("wb") as log:
            code = subprocess.run(command, check=False, stdout=log, stderr=log, env=_settings()).returncode
        found: Facts = json.loads(part.read_text()) if part.exists() else {}
        merged = _merged(facts, found)
        if code:
            merged["died"] = [
                *facts["died"],
                f"exit code {code}: {(STATE / f'{name}.log').read_text(errors='replace')[-400:]}",
            ]
        _path(name).write_text(json.dumps(merged))
        print(f"{name}: {merged['executions']:,} of {share:,}, {merged['seconds']:,.0f} s, corpus {merged['corpus']}, "
              f"{len(merged['findings'])} findings", flush=True)  # fmt: skip


def _merged(one: Facts, other: Facts) -> Facts:
    sums = {name: one[name] + other.get(name, 0) for name in _SUMS}
    return {
        **one,
        **sums,
        "megabytes": max(one["megabytes"], other.get("megabytes", 0)),
        "seeds": other.get("seeds", one["seeds"]),
        "corpus": other.get("corpus", one["corpus"]),
        "findings": {**one["findings"], **other.get("findings", {})},
    }


def _facts(name: str) -> Facts:
    empty: Facts = dict.fromkeys(("executions", "seconds", "megabytes", "seeds", "corpus"), 0)
    path = _path(name)
    return json.loads(path.read_text()) if path.exists() else {**empty, "findings": {}, "died": []}


def _path(name: str) -> Path:
    return STATE / f"{name}.json"


def _record() -> Facts:
    """All that the states say, target by target."""
    targets = {name: _facts(name) for name in _shares() if _path(name).exists()}
    big = STATE / "big.json"
    return {
        "command": "make fuzz",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("culpa", "atheris", "polars", "numpy")},
        "executions": sum(one["executions"] for one in targets.values()),
        "seconds": round(sum(one["seconds"] for one in targets.values()), 1),
        "megabytes": max((one["megabytes"] for one in targets.values()), default=0),
        "targets": targets,
        "findings": {f"{name}: {key}": path for name, one in targets.items() for key, path in one["findings"].items()}
        | {f"{name}: {text}": "" for name, one in targets.items() for text in one["died"]},
        "big": json.loads(big.read_text()) if big.exists() else [],
    }


def _settings() -> dict[str, str]:
    return {**os.environ, **dict.fromkeys(_THREADS, "1"), "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


if __name__ == "__main__":
    main()
