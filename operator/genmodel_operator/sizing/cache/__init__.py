"""The KV cache of a model, in the engine's own blocks."""
