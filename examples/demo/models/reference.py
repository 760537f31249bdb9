"""Sentence embeddings by transformers alone; runs in the Python that holds torch.

``python reference.py FOLDER`` reads a JSON list of texts from standard input and writes a JSON list of unit
vectors to standard output.
"""

import json
import sys

import torch
from transformers import AutoModel, AutoTokenizer

folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
batch = tokenizer(json.load(sys.stdin), padding=True, truncation=True, max_length=256, return_tensors="pt")
with torch.no_grad():
    states = model(**batch).last_hidden_state
mask = batch["attention_mask"].unsqueeze(-1)
means = (states * mask).sum(1) / mask.sum(1)
print(json.dumps(torch.nn.functional.normalize(means, dim=1).tolist()))
