"""The policy-gradient loop for language models, adapters to trainers, and the live watch."""
