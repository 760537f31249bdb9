"""The demo's requests: a streamed chat answer and sentence similarities, with the official client."""

import math
from collections.abc import Sequence

from openai import OpenAI

from examples.demo.screen import console, show

ANSWER_TOKENS = 150
"""As many as one fable needs."""
SENTENCES = (
    "A fox tried to reach a bunch of grapes.",
    "The hungry animal wanted the fruit on the vine.",
    "The central bank raised its interest rate.",
)


def client(port: int) -> OpenAI:
    """Return a client for the Service that was forwarded to a loopback port."""
    return OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", timeout=120, max_retries=0)


def chat(port: int, model: str, question: str) -> str:
    """Print a streamed answer as it comes; return its text."""
    stream = client(port).chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        max_tokens=ANSWER_TOKENS,
        temperature=0,
        stream=True,
    )
    console.print(f"[bold]user:[/]  {question}")
    console.print("[bold]model:[/] ", end="")
    words = []
    for chunk in stream:
        piece = chunk.choices[0].delta.content if chunk.choices else None
        if piece:
            words.append(piece)
            console.print(piece, end="", markup=False)
    console.print()
    return "".join(words)


def similarities(port: int, model: str) -> list[float]:
    """Print and return how close the first sentence is to each of the others."""
    answer = client(port).embeddings.create(model=model, input=list(SENTENCES))
    vectors = [item.embedding for item in answer.data]
    found = [cosine(vectors[0], other) for other in vectors[1:]]
    show(f'"{SENTENCES[0]}"')
    for value, sentence in zip(found, SENTENCES[1:], strict=True):
        show(f'  {value:6.3f}  "{sentence}"')
    return found


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors of equal length."""
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return product / (math.hypot(*left) * math.hypot(*right))
