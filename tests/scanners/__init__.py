"""Scanners of Kubernetes objects, over everything that the chart and the operator make."""
