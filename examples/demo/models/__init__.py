"""The demo's two models, as folders that look like repositories of the Hub."""

from examples.demo.models.chat import chat_model
from examples.demo.models.minilm import minilm_model, reference_embeddings

__all__ = ["chat_model", "minilm_model", "reference_embeddings"]
