"""Small worlds with states: exact values, occupancies and policy gradients, and rewards designed for them.

Axes: x states, a actions, h steps of an episode, e episodes; any leading axes (policies, rewards, seeds) before them.
"""
