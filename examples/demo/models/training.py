"""Trains the demo's chat model; runs in the Python that holds torch, such as vLLM's for CPU.

``python training.py FOLDER`` writes the model there as a Hub repository and says on standard output, one
JSON object per line, how far it is. The same machine gives the same model.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).parent))
from corpus import SYSTEM_PROMPT, Fable, Turn, conversations, read_fables, turns_of  # noqa: E402

SEED = 20
STEPS = 900
BATCH_TOKENS = 1024
WARM_UP_STEPS = 40
PEAK_LEARNING_RATE = 4e-3
VOCABULARY = 2048
CONTEXT = 4096
BEGIN, END, SYSTEM, USER, ASSISTANT = "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
CHAT_TEMPLATE = (
    "{{ '<|begin|>' }}"
    "{% for message in messages %}"
    "{% if message['role'] in ['system', 'user', 'assistant'] %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% else %}{{ raise_exception('unknown role ' + message['role']) }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
IGNORED = -100
"""The label that the loss leaves out: the model learns to answer, not to ask."""


def main(out: Path) -> None:
    """Train, write everything that belongs in the repository, and check that what was written can talk."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    fables = read_fables()
    tokenizer = train_tokenizer(fables)
    model = LlamaForCausalLM(shape(len(tokenizer), tokenizer))
    train(model, tokenizer, fables)
    save(out, model, tokenizer)


def train_tokenizer(fables: Sequence[Fable]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer of the text that the model will read and write."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BEGIN, END, SYSTEM, USER, ASSISTANT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = [text for questions, answer in turns_of(fables) for text in (*questions, answer)]
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        model_max_length=CONTEXT,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def shape(vocabulary: int, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """Return the model's shape: heads of 64, which vLLM's attention on CPU serves."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, fables: Sequence[Fable]) -> None:
    """Train in place, saying every second how far it is."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=STEPS, pct_start=WARM_UP_STEPS / STEPS
    )
    source = batches(tokenizer, fables)
    said = 0.0
    for step in range(1, STEPS + 1):
        tokens, labels = next(source)
        loss = model(input_ids=tokens, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        plan.step()
        if time.monotonic() - said >= 1 or step == STEPS:
            said = time.monotonic()
            print(json.dumps({"step": step, "steps": STEPS, "loss": round(loss.item(), 4)}), flush=True)


def batches(
    tokenizer: PreTrainedTokenizerFast, fables: Sequence[Fable]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield tokens and labels of shape [1, BATCH_TOKENS]: conversations one after another."""
    tokens: list[int] = []
    labels: list[int] = []
    for number, turns in enumerate(conversations(turns_of(fables), seed=SEED)):
        more_tokens, more_labels = encode(tokenizer, turns, with_system=number % 3 == 0)
        tokens += more_tokens
        labels += more_labels
        while len(tokens) >= BATCH_TOKENS:
            yield torch.tensor([tokens[:BATCH_TOKENS]]), torch.tensor([labels[:BATCH_TOKENS]])
            del tokens[:BATCH_TOKENS], labels[:BATCH_TOKENS]


def encode(
    tokenizer: PreTrainedTokenizerFast, turns: Sequence[Turn], *, with_system: bool
) -> tuple[list[int], list[int]]:
    """Return a conversation's tokens as the chat template writes them, and the labels of its answers."""
    tokens = tokenizer.encode(BEGIN + (SYSTEM + SYSTEM_PROMPT + END if with_system else ""))
    labels = [IGNORED] * len(tokens)
    for turn in turns:
        question = tokenizer.encode(USER + turn.question + END + ASSISTANT)
        answer = tokenizer.encode(turn.answer + END)
        tokens += question + answer
        labels += [IGNORED] * len(question) + answer
    return tokens, labels


def save(out: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write weights in bfloat16, configuration and tokenizer."""
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.2,
        top_p=0.9,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
