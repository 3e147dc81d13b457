"""`make bench`: every figure that the README quotes, each with its aim and what it is held against.

python benchmarks/run.py [NAME ...]      names are those of BENCHES; all of them by default
"""

import sys
from importlib import import_module

BENCHES = {
    "start": "bench_start.run",
    "arrays": "bench_arrays.run",
    "bootstrap": "bench_arrays.run_bootstrap",
    "jsonl": "bench_jsonl.run",
    "stream": "bench_stream.run",
    "dynamics": "bench_dynamics.run",
    "relabel": "bench_relabel.run",
    "signals": "bench_signals.run",
    "lm": "bench_lm.run",
    "lm_score": "bench_lm_score.run",
    "engines": "bench_engines.run",
    "stream_1e8": "bench_stream.run_1e8",
    "capacity": "bench_capacity.run",
}  # imported one by one: a process that is started counts the memory of the one that started it


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = set(wanted) - set(BENCHES)
    if unknown:
        sys.exit(f"no benchmark is called {sorted(unknown)[0]!r}; there are {', '.join(BENCHES)}")
    for name in wanted:
        module, function = BENCHES[name].split(".")
        getattr(import_module(module), function)()


if __name__ == "__main__":
    main()
