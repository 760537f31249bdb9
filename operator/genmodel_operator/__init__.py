"""The genmodel operator: serves open generative models on a company's own Kubernetes clusters."""

__version__ = "0.1.0"
