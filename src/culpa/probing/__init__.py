"""A bench for reward functions: run one in a process of its own, and see what it should not do."""
