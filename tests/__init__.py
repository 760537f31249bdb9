"""Tests of genmodel and what they share."""
