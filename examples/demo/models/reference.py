"""Prints sentence embeddings as JSON: ``reference.py FOLDER TEXTS``; runs in the Python that holds torch."""

import json
import sys

import torch
from transformers import AutoModel, AutoTokenizer


def main(folder: str, texts: list[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**tokens).last_hidden_state
    counted = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
    mean = (states * counted).sum(1) / counted.sum(1)
    print(json.dumps(torch.nn.functional.normalize(mean, dim=1).tolist()))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
