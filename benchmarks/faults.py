"""Faults planted in the verbs: killed processes, full disks, damaged files, lost nodes, judges that fail.

    python benchmarks/faults.py            make faults: all of it, and docs/faults.md
    python benchmarks/faults.py kill       the kills alone; `show`: the rest alone
    python benchmarks/faults.py aim        the kills while something is written, beside those recorded
    python benchmarks/faults.py kill 2     two kills a case, and nothing is recorded

Every kill: the command runs in a folder of its own, its whole process group gets SIGKILL, at a random share of the time
that it takes undisturbed or soon after it has begun to write, and the same command runs again. The bytes are those of
an undisturbed run, or it is counted.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fault_shows
from fault_cases import CASES, prepare

SEED = 0
ROOT = Path(__file__).resolve().parents[1]
RECORD, PAGE = ROOT / "benchmarks" / "data" / "faults.json", ROOT / "docs" / "faults.md"
CULPA = (sys.executable, "-m", "culpa.cli.app")
EARLIER = b"what stood there before"
HEAD = (
    "# Faults\n\nWhat happens where something breaks in the middle. All of it is tried out by one command. The "
    "figures were put together from its steps (`kill`, `aim`, `show`), which ran one after another.\n"
)


def run(case, inputs, folder, *, end=None, aim=None):
    """The seconds that the command took and its exit status. It is killed after `end` seconds, or `aim` seconds after
    the first new file is there."""
    command = [*CULPA, *case.command(inputs)]
    began, before = time.monotonic(), set(folder.rglob("*"))
    with (folder.parent / f"{folder.name}.err").open("wb") as err:
        child = subprocess.Popen(command, cwd=folder, stdout=err, stderr=err, start_new_session=True)
        if aim is not None:
            while set(folder.rglob("*")) == before and child.poll() is None:
                time.sleep(0.0005)
            end = aim
        try:
            child.wait(end)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return time.monotonic() - began, child.returncode


def files(folder):
    """Every file below a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def killed(case, inputs, folder, reference, share, *, aimed=False):
    """One kill and one run after it: what was there in between, and what is wrong at the end. None: it had ended."""
    seconds, whole = reference
    before = EARLIER if share > 0.5 and case.verb != "train" else None  # half of them overwrite an earlier output
    if before is not None:
        (folder / case.output).write_bytes(before)
    moment = {"aim": share * case.spread} if aimed else {"end": share * seconds}
    _, code = run(case, inputs, folder, **moment)
    if code != -signal.SIGKILL:
        return None
    between = files(folder)
    wrong = []
    there = between.get(case.output)
    if case.verb != "train" and there not in (before, whole[case.output]):
        wrong.append("half an output after the kill")
    parts = sum(name.startswith(f"{case.output}.parts/") and name.endswith(".parquet") for name in between)
    parts += sum(name.startswith("run/rollouts/") and name.endswith(".parquet") for name in between)
    half = sum(name.endswith(".part") for name in between)
    _, code = run(case, inputs, folder)
    after = files(folder)
    if code != 0:
        wrong.append(f"exit status {code} of the second run")
    wrong += [f"{name} differs" for name in whole if after.get(name) != whole[name]]
    wrong += [f"{name} is left" for name in after if name not in whole]
    done = there is not None and there == whole.get(case.output)
    return {"aimed": aimed, "share": round(share, 3), "parts": parts, "half": half, "done": done, "wrong": wrong}


def undisturbed(case, inputs, folder):
    """Seconds and files of a run that nobody disturbs: the second, when all is in the cache; both are the same."""
    runs = []
    for number in range(2):
        seconds, code = run(case, inputs, fresh(folder / str(number)))
        if code:
            raise SystemExit((folder / f"{number}.err").read_text())
        runs.append((seconds, files(folder / str(number))))
    same = runs[0][1] == runs[1][1]
    if not same:
        raise SystemExit(f"{case.name}: two undisturbed runs differ")
    return runs[1]


def kills(cases, inputs, folder, *, ways=(False, True), most=None):
    """All kills of all cases: at any moment (False), or once something is being written (True)."""
    found = []
    for case in cases:
        reference = undisturbed(case, inputs, folder / "reference")
        rows = [row for aimed in ways for row in _kills(case, inputs, folder, reference, aimed, most)]
        found.append({"case": case.name, "seconds": round(reference[0], 1), "kills": rows})
        differing = sum(bool(row["wrong"]) for row in rows)
        print(f"{case.name:<24} {len(rows)} kills, {differing} differences", flush=True)
        for row in rows:
            for wrong in row["wrong"]:
                print(f"    {wrong}", flush=True)
    return found


def _kills(case, inputs, folder, reference, aimed, most):
    rng = random.Random(f"{SEED} {case.name}{' aimed' if aimed else ''}")
    count = case.aimed if aimed else case.kills
    rows = []
    while len(rows) < min(count, most or count):
        row = killed(case, inputs, fresh(folder / "killed"), reference, rng.random(), aimed=aimed)
        rows += [row] if row else []
    return rows


def page(record):
    """docs/faults.md."""
    total = sum(len(one["kills"]) for one in record["kills"])
    wrong = sum(bool(row["wrong"]) for one in record["kills"] for row in one["kills"])
    aimed = sum(bool(row.get("aimed")) for one in record["kills"] for row in one["kills"])
    lines = [HEAD, "```console\n$ make faults\n```\n", "## Killed at any moment\n"]
    lines += [
        f"{total} times the whole process group of a command got SIGKILL (seed {SEED}), {aimed} of them soon after "
        f"it had begun to write and the others at any moment, and the same command was run again: **{wrong} "
        "differences** from the bytes of an undisturbed run.\n",
        "| Command | Undisturbed | Kills | before any part | with parts | while a file was written | "
        "output whole already | Differences |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in record["kills"]:
        rows = one["kills"]
        parts = [row for row in rows if row["parts"] and not row["done"]]
        early = [row for row in rows if not row["parts"] and not row["done"]]
        half, done = sum(bool(row["half"]) for row in rows), sum(row["done"] for row in rows)
        differing = sum(bool(row["wrong"]) for row in rows)
        lines.append(
            f"| `{one['case']}` | {one['seconds']} s | {len(rows)} | {len(early)} | {len(parts)} | {half} | {done} | "
            f"{differing} |"
        )
    lines += [
        "",
        "Looked at after every kill: the output is absent, what stood there before, or whole. After every second run: "
        "its exit status, the bytes of every file, and that nothing else is left. A file is written under another name "
        "beside its place and then renamed; what a kill leaves of such a file, the next run takes away, knowing by a "
        "lock on it that nobody is still writing. `train` writes a folder: its rollouts, log, checkpoints and model.\n",
    ]
    return "\n".join(lines) + "\n" + fault_shows.page(record["shows"])


def main(what="all", most=None):
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = prepare(folder / "inputs")
        if what in ("all", "kill"):
            record["kills"] = kills(CASES, inputs, folder, most=None if most is None else int(most))
        if what == "aim":
            for one, more in zip(record["kills"], kills(CASES, inputs, folder, ways=(True,)), strict=True):
                one["kills"] = [row for row in one["kills"] if not row.get("aimed")] + more["kills"]
        if what in ("all", "show"):
            record["shows"] = fault_shows.run(inputs, folder)
    if most is None:
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    if most is None and {"kills", "shows"} <= set(record):
        PAGE.write_text(page(record))
        print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main(*sys.argv[1:])
