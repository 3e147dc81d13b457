"""Adapters: the chains of `culpa.signals` inside other people's trainers.

trl        reward functions with a pointwise chain; a mixin that gives GRPO and RLOO trainers their advantages
verl       an advantage estimator and a `compute_score`
openrlhf   a `reward_func`, and the same behind HTTP (`server`)
"""
