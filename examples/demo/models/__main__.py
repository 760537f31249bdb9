"""``python -m examples.demo.models`` makes both models and prints their folders."""

from examples.demo.models import chat_model, minilm_model

print(chat_model())
print(minilm_model())
