"""Scores of pairs of texts by transformers alone; runs in the Python that holds torch.

``python reranker.py FOLDER`` reads a JSON list of pairs from standard input and writes a JSON list of numbers.
"""

import json
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
queries, documents = zip(*json.load(sys.stdin), strict=True)
batch = tokenizer(list(queries), list(documents), padding=True, truncation=True, return_tensors="pt")
with torch.no_grad():
    print(json.dumps(torch.sigmoid(model(**batch).logits[:, 0]).tolist()))
