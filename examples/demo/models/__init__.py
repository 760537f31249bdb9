"""The demo's models, as folders that a Hub can serve."""

from examples.demo.models.chat import chat_model
from examples.demo.models.minilm import minilm_model, reference_embeddings

__all__ = ["chat_model", "minilm_model", "reference_embeddings"]
