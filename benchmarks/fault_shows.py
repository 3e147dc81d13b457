"""Faults that are shown one by one: a full disk, damaged files, a lost node, a judge that fails in every way."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[1]
CULPA = (sys.executable, "-m", "culpa.cli.app")
LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2); "
LIMITED += "from culpa.cli.app import main; main()"


def run(inputs, folder):
    """What every fault came to, as rows of words."""
    place = folder / "shows"
    place.mkdir()
    return {
        "disk": [*disk(inputs, place), *limited(inputs, place)],
        "damaged": damaged(inputs, place),
        "node": node(inputs, place),
        "judge": judge(place),
    }


def said(command, folder, **how):
    """Exit status and what was said on stderr, without the folder's name."""
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, check=False, **how)
    return done.returncode, done.stderr.replace(f"{folder}/", "").strip().splitlines()


def row(fault, code, words, after):
    print(f"{fault}: exit {code}, {after}", flush=True)
    return {"fault": fault, "code": code, "said": words, "after": after}


# --- a full disk --------------------------------------------------------------------------------------------------


def disk(inputs, place):
    """A file system of a few kilobytes; nothing where this user may not mount one."""
    small = place / "small"
    small.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", small], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    try:
        return [_converted(inputs, small), _scored(inputs, small)]
    finally:
        subprocess.run(["umount", small], check=True)


def _converted(inputs, small):
    (small / "o.parquet").write_bytes(b"earlier")
    code, words = said([*CULPA, "convert", inputs / "many.parquet", "o.parquet"], small)
    kept = (small / "o.parquet").read_bytes() == b"earlier"
    left = sorted(path.name for path in small.iterdir()) != ["o.parquet"]
    (small / "o.parquet").unlink()
    return row(
        "`convert` to a disk of 96 KB",
        code,
        words,
        f"earlier output {_kept(kept)}, {'something' if left else 'nothing'} left",
    )


def _scored(inputs, small):
    command = [*CULPA, "score", inputs / "few.parquet", "--with", f"s={inputs}/rewards.py:slow", "--block", 8]
    command += ["--output", "o.parquet"]
    (small / "ballast").write_bytes(b"." * 40_000)
    code, words = said(command, small)
    parts = len(list(small.glob("o.parquet.parts/*/*.parquet")))
    (small / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", small], check=True)
    again, lines = said(command, small)
    resumed = "from an earlier run" in lines[0]
    after = f"{parts} of 100 parts kept; with room: exit {again}, {'goes on from them' if resumed else 'begins again'}"
    return row("`score` to the same", code, words, after)


def limited(inputs, place):
    """A limit on the size of files, which every system has."""
    (place / "o.jsonl").write_bytes(b"earlier")
    command = [sys.executable, "-c", LIMITED, 50_000, "convert", inputs / "many.parquet", "o.jsonl"]
    code, words = said(command, place)
    kept = (place / "o.jsonl").read_bytes() == b"earlier"
    return [row("`convert` where files may have 50 KB", code, words, f"earlier output {_kept(kept)}")]


def _kept(kept):
    return "untouched" if kept else "LOST"


# --- damaged files ------------------------------------------------------------------------------------------------


def damaged(inputs, place):
    """A Parquet file whose middle is gone, and parts of a stopped run that cannot be read."""
    broken = bytearray((inputs / "many.parquet").read_bytes())
    middle = len(broken) // 2
    broken[middle : middle + 4096] = b"\xff" * 4096
    (place / "broken.parquet").write_bytes(broken)
    rows = []
    for verb, more in (
        ("convert", ["o.parquet"]),
        ("audit", ["--truth", "gold", "--stream", "--processes", 1]),
        ("audit", ["--truth", "gold", "--stream", "--processes", 2]),
        ("score", ["--with", f"s={inputs}/rewards.py:length", "--output", "o.parquet"]),
    ):
        code, words = said([*CULPA, verb, "broken.parquet", *more], place)
        flags = " ".join(map(str, more[-2:])) if "--processes" in more else ""
        after = "an output" if (place / "o.parquet").exists() else "no output"
        rows.append(
            row(f"4 KB in the middle of a Parquet file overwritten, `{f'{verb} {flags}'.strip()}`", code, words, after)
        )
    return [*rows, *_parts(inputs, place)]


def _parts(inputs, place):
    """Parts cut short, filled with noise, empty, and without permission: made again."""
    command = [*CULPA, "score", inputs / "few.parquet", "--with", f"s={inputs}/rewards.py:slow", "--block", 40]
    said([*command, "--output", "whole.parquet"], place)
    whole = (place / "whole.parquet").read_bytes()
    child = subprocess.Popen([*map(str, command), "--output", "p.parquet"], cwd=place, stderr=subprocess.DEVNULL)
    while len(list(place.glob("p.parquet.parts/*/*.parquet"))) < 8 and child.poll() is None:
        time.sleep(0.005)
    child.kill()
    child.wait()
    parts = sorted(place.glob("p.parquet.parts/*/*.parquet"))
    size = parts[0].stat().st_size
    parts[0].write_bytes(parts[0].read_bytes()[: size // 2])
    parts[1].write_bytes(os.urandom(size))
    parts[2].write_bytes(b"")
    data = bytearray(parts[3].read_bytes())
    data[8 : size // 2] = bytes(size // 2 - 8)
    parts[3].write_bytes(data)
    parts[4].chmod(0)
    code, words = said([*command, "--output", "p.parquet"], place)
    same = (place / "p.parquet").read_bytes() == whole
    denied = ", without permission" if os.getuid() else ""  # root may read everything
    what = f"parts of a stopped `score` cut short, noise, empty, half zeros{denied}"
    return [row(what, code, words[:1], f"{len(parts)} parts were there; {'the same bytes' if same else 'OTHER BYTES'}")]


# --- a lost node --------------------------------------------------------------------------------------------------


def node(inputs, place):
    """Three nodes on this machine; one is killed as soon as the first block of a score is there."""
    os.environ["RAY_AUTH_MODE"] = "disabled"  # for the nodes and for the command alike
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    command = [*CULPA, "score", inputs / "few.parquet", "--with", f"s={inputs}/rewards.py:slow", "--block", 8]
    command += ["--output", "n.parquet", "--engine", "ray", "--address", cluster.address, "--processes", 3]
    try:
        child = subprocess.Popen(
            [*map(str, command)], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while not list(place.glob("n.parquet.parts/*/*.parquet")) and child.poll() is None:
            time.sleep(0.005)
        cluster.remove_node(nodes[0], allow_graceful=False)
        parts = len(list(place.glob("n.parquet.parts/*/*.parquet")))
        began = time.monotonic()
        out, err = child.communicate()
    finally:
        cluster.shutdown()
    found, wanted = (pl.read_parquet(place / f"{name}.parquet") for name in ("n", "whole"))
    same = found.equals(wanted) and (place / "n.parquet").read_bytes() == (place / "whole.parquet").read_bytes()
    after = f"{parts} of 100 blocks were there; done {time.monotonic() - began:.1f} s later, "
    after += f"{'the same bytes' if same else 'OTHER BYTES'} as without a cluster, {out.count(chr(10))} line on stdout"
    return [
        row("one of three Ray nodes killed in the middle of `score`", child.returncode, err.strip().splitlines(), after)
    ]


# --- a judge ------------------------------------------------------------------------------------------------------

WAYS = {  # what becomes of an output's requests, by its number
    "answers": "a score",
    "500 to every other request": "a score",
    "drops the first connection": "a score",
    "garbage to the first request": "a score",
    "garbage, always": "reply",
    "500, always": "HTTP 500",
    "says nothing in time, always": "time-out",
    "a reply without a number": "unparsed",
}


@contextmanager
def judging():
    """A judge in this process that treats every output in one of these ways; the requests by output, in order."""
    asked, lock = Counter(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = int(body["messages"][0]["content"].rpartition("number ")[2].split()[0])
            with lock:
                asked[number] += 1
                count = asked[number]
            self.answered(list(WAYS)[number % len(WAYS)], count)

        def answered(self, way, count):
            if way.startswith("says nothing"):
                time.sleep(1.0)
            if (way.startswith("drops") and count == 1) or way.startswith("says nothing"):
                self.close_connection = True
                return
            failed = way == "500, always" or (way.startswith("500 to") and count % 2)
            garbage = way == "garbage, always" or (way.startswith("garbage to") and count == 1)
            said = "I cannot say." if way.startswith("a reply without") else "Score: 7"
            data = b"<html>" if garbage else json.dumps({"choices": [{"message": {"content": said}}]}).encode()
            self.send_response(500 if failed else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def judge(place, outputs=64):
    """Scores and reasons of every way, and the requests that were made."""
    texts = [f"number {number} " for number in range(outputs)]
    table = {"prompt_id": [str(n // 8) for n in range(outputs)], "prompt": ["P"] * outputs, "response": texts}
    pl.DataFrame(table | {"gold": [1.0] * outputs}).write_parquet(place / "asked.parquet")
    (place / "judge.txt").write_text("{response}")
    with judging() as (url, asked):
        command = [*CULPA, "score", "asked.parquet", "--with", f"j=judge:{url}#m", "--judge-template", "judge.txt"]
        command += ["--timeout", 0.5, "--tries", 3, "--threads", 8, "--output", "judged.parquet"]
        began = time.monotonic()
        code, words = said(
            command, place, env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        )
        seconds = time.monotonic() - began
    found = pl.read_parquet(place / "judged.parquet")
    rows = []
    for place_, (way, wanted) in enumerate(WAYS.items()):
        mine = found.filter(pl.int_range(pl.len()) % len(WAYS) == place_)
        values, reasons = mine["proxy.j"], mine["proxy.j.reason"]
        kinds = Counter("a score" if reason is None else reason.split(":")[0] for reason in reasons)
        rows.append({
            "way": way, "outputs": mine.height, "requests": sum(asked[n] for n in range(place_, outputs, len(WAYS))),
            "scores": values.count(), "zeros": int((values == 0).sum()), "kinds": dict(kinds), "wanted": wanted,
        })  # fmt: skip
    print(f"judge: exit {code}, {seconds:.0f} s, {sum(one['zeros'] for one in rows)} zeros", flush=True)
    return {
        "code": code,
        "said": [line.replace(url, "http://HOST") for line in words],
        "seconds": round(seconds),
        "rows": rows,
    }


# --- the page -----------------------------------------------------------------------------------------------------

TITLES = {
    "disk": "A full disk",
    "damaged": "Files that cannot be read",
    "node": "A node of a cluster that is lost",
}
TEXTS = {
    "disk": "Exit status 2 and one sentence; what stood there before is untouched, and finished parts count.",
    "damaged": "An input is named with what is wrong; a stopped run's part that cannot be read is made again.",
    "node": "Its tasks are done again on the others. Parts are written by the process that asked, in their order.",
}


def page(shows):
    """The sections of docs/faults.md behind the kills."""
    lines = []
    for name, title in TITLES.items():
        lines += [f"## {title}\n", f"{TEXTS[name]}\n", "| Fault | Exit | Said | Then |", "|---|---|---|---|"]
        for one in shows[name]:
            words = "<br>".join(f"`{line.replace('|', '/')}`" for line in one["said"])
            lines.append(f"| {one['fault']} | {one['code']} | {words} | {one['after']} |")
        lines.append("")
    return "\n".join([*lines, *_judged(shows["judge"])]) + "\n"


def _judged(found):
    lines = [
        "## A judge that fails in every way\n",
        f"A server on this machine, eight outputs for each way, `--tries 3 --timeout 0.5`; {found['seconds']} s, for "
        "waits grow as 1, 2, 4 seconds, each times a number in [0.5, 1.5). What has no score is NaN, with a reason, "
        "and never 0.\n",
        "| The judge | Outputs | Requests | Scores | Without, by reason | Zeros |",
        "|---|---|---|---|---|---|",
    ]
    for one in found["rows"]:
        missing = ", ".join(f"{kind} {count}" for kind, count in one["kinds"].items() if kind != "a score")
        lines.append(
            f"| {one['way']} | {one['outputs']} | {one['requests']} | {one['scores']} | {missing} | {one['zeros']} |"
        )
    return [*lines, "", "The command says:\n", "```", *found["said"], "```"]
