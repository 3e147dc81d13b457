"""Watching a run: each step's groups, its proxy against the truth, and alarms with a stated false-alarm rate.

Beside TRL's trainers:

    run = Run([Terminal(), JsonLines("watch.jsonl")])
    collector = Collector(run)
    rewards = [watched(my_reward, collector, truth=my_judge, prompts=8)]
    GRPOTrainer(..., reward_funcs=rewards, callbacks=[callback(collector)]).train()

On a dump that grows, of any trainer that writes one: `culpa watch FOLDER`.
"""

from culpa.training.watch.alarm import Alarm, Thresholds, Watcher, calibrate
from culpa.training.watch.callback import callback
from culpa.training.watch.defaults import default_thresholds
from culpa.training.watch.report import StepReport, step_report
from culpa.training.watch.rewards import watched
from culpa.training.watch.run import Collector, Run
from culpa.training.watch.sinks import JsonLines, TensorBoard, Terminal, Tracker, read_log
from culpa.training.watch.tail import Tail, follow

__all__ = [
    "Alarm",
    "Collector",
    "JsonLines",
    "Run",
    "StepReport",
    "Tail",
    "TensorBoard",
    "Terminal",
    "Thresholds",
    "Tracker",
    "Watcher",
    "calibrate",
    "callback",
    "default_thresholds",
    "follow",
    "read_log",
    "step_report",
    "watched",
]
