"""The weights of a model: its tensors, how they are divided, and what one device holds."""
