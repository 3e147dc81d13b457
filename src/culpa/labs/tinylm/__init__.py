"""Tiny language models on tasks whose truth is a program: built from config, pretrained in seconds, saved as usual."""
