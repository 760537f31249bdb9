"""Writes every generated file of the repository: ``python -m scripts.generate [--check]``."""
