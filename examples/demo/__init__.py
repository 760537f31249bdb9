"""The demo: from an empty machine to a chat answer from a model on a real Kubernetes node."""
