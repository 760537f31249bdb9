"""Text that reaches a container as it was written."""


def literal(text: str) -> str:
    """Return the text such that the kubelet, which replaces ``$(NAME)`` and ``$$``, gives it back unchanged."""
    return text.replace("$", "$$")
