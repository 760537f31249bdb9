"""The runtime's own log: plain lines on standard output, among the engine's."""


def say(text: str) -> None:
    """Print one line that says where it comes from."""
    print(f"genmodel_runtime: {' '.join(text.split())}", flush=True)
