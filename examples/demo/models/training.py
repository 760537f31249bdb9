"""Trains the demo's chat model; runs in the Python that holds torch, such as vLLM's for CPU.

``python training.py FOLDER`` writes the model there as a Hub repository and says on standard output, one
JSON object per line, how far it is. The same machine gives the same model; on another one sums are rounded otherwise,
so what was learned is asked before anything is written, and training begins anew where it was not enough.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).parent))
from corpus import SYSTEM_PROMPT, Fable, Turn, asked, conversations, read_fables, turns_of

SEED = 20
ATTEMPTS = 3
STEPS = 500
BATCH_TOKENS = 512
WARM_UP_STEPS = 60
PEAK_LEARNING_RATE = 2e-3
"""With 5e-3 it depended on the processor whether the model told a fable or its moral when it was asked for either."""
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
LEAST_LEARNED = 0.97
"""Share of the answers' tokens, and of the questions whose answer begins right, that a model needs to be served."""
LEAST_MARGIN = 1.0
"""By how much the right token's logit leads in an opening, so that no rounding decides; 4 to 6 is usual."""
ASKED_OF_EACH = 3
OPENING_TOKENS = 8
OPENING_WEIGHT = 5.0
"""The opening of an answer decides which one it becomes, and is a small part of its tokens."""


def main(out: Path, *, train: Callable[..., None] | None = None) -> None:
    """Train until it took, and write everything that belongs in the repository; ends with the reason if it never did.

    ``train`` is for tests.
    """
    torch.use_deterministic_algorithms(mode=True)
    fables = read_fables()
    tokenizer = train_tokenizer(fables)
    for seed in range(SEED, SEED + ATTEMPTS):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(shape(len(tokenizer), tokenizer))
        (train or train_model)(model, tokenizer, fables, seed=seed)
        model.to(torch.bfloat16)
        tokens, openings = share_learned(model, tokenizer, fables), share_begun(model, tokenizer, fables)
        if min(tokens, openings) >= LEAST_LEARNED:
            return save(out, model, tokenizer)
    sys.exit(
        f"the model has not learned its answers in {ATTEMPTS} attempts: of the last one's "
        f"{tokens:.0%} of tokens and {openings:.0%} of openings are right, {LEAST_LEARNED:.0%} are wanted"
    )


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
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def train_model(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, fables: Sequence[Fable], *, seed: int
) -> None:
    """Train in place, saying every second how far it is."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=STEPS, pct_start=WARM_UP_STEPS / STEPS
    )
    source = batches(tokenizer, fables, seed=seed)
    said = 0.0
    for step in range(1, STEPS + 1):
        loss = loss_of(model, next(source))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        plan.step()
        if time.monotonic() - said >= 1 or step == STEPS:
            said = time.monotonic()
            print(json.dumps({"step": step, "steps": STEPS, "loss": round(loss.item(), 4)}), flush=True)


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation as the model reads it: tokens, and how much each one counts in the loss."""

    tokens: list[int]
    weights: list[float]


def loss_of(model: LlamaForCausalLM, batch: Sequence[Example]) -> torch.Tensor:
    """Return the weighted mean loss of a batch; the conversations lie end to end and do not see each other."""
    tokens = torch.tensor([[token for one in batch for token in one.tokens]])
    weights = torch.tensor([weight for one in batch for weight in one.weights])
    positions = torch.tensor([[place for one in batch for place in range(len(one.tokens))]])
    number = torch.tensor([index for index, one in enumerate(batch) for _ in one.tokens])
    sees = (number[:, None] == number[None, :]).tril()
    logits = model(input_ids=tokens, position_ids=positions, attention_mask=sees[None, None]).logits
    losses = torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="none")
    # The first token of a conversation weighs nothing, so that none is predicted from the one before.
    return (losses * weights[1:]).sum() / weights[1:].sum()


def batches(tokenizer: PreTrainedTokenizerFast, fables: Sequence[Fable], *, seed: int) -> Iterator[list[Example]]:
    """Yield conversations of about BATCH_TOKENS together."""
    batch: list[Example] = []
    for number, turns in enumerate(conversations(turns_of(fables), seed=seed)):
        batch.append(encode(tokenizer, turns, with_system=number % 3 == 0))
        if sum(len(one.tokens) for one in batch) >= BATCH_TOKENS:
            yield batch
            batch = []


def encode(tokenizer: PreTrainedTokenizerFast, turns: Sequence[Turn], *, with_system: bool) -> Example:
    """Return a conversation as the chat template writes it; only answers count, their openings most of all."""
    tokens = tokenizer.encode(BEGIN + (SYSTEM + SYSTEM_PROMPT + END if with_system else ""))
    weights = [0.0] * len(tokens)
    for turn in turns:
        question = tokenizer.encode(USER + turn.question + END + ASSISTANT)
        answer = tokenizer.encode(turn.answer + END)
        opening = min(OPENING_TOKENS, len(answer))
        tokens += question + answer
        weights += [0.0] * len(question) + [OPENING_WEIGHT] * opening + [1.0] * (len(answer) - opening)
    return Example(tokens, weights)


def share_learned(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, fables: Sequence[Fable]) -> float:
    """Return the share of all answers' tokens that are the likeliest one for the model."""
    right = total = 0
    for questions, answer in turns_of(fables):
        example = encode(tokenizer, [Turn(questions[0], answer)], with_system=False)
        tokens = torch.tensor([example.tokens])
        with torch.no_grad():
            likeliest = model(input_ids=tokens).logits[0, :-1].argmax(-1)
        counts = torch.tensor(example.weights[1:]) > 0
        right += int((likeliest == tokens[0, 1:])[counts].sum())
        total += int(counts.sum())
    return right / total


def share_begun(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, fables: Sequence[Fable]) -> float:
    """Return the share of questions, asked in many ways, whose answer begins right and by some margin."""
    leads = [
        lead_of(model, encode(tokenizer, [Turn(question, answer)], with_system=False))
        for questions, answer in turns_of(fables)
        for question in asked(questions, count=ASKED_OF_EACH, seed=SEED)
    ]
    return sum(lead >= LEAST_MARGIN for lead in leads) / len(leads)


def lead_of(model: LlamaForCausalLM, example: Example) -> float:
    """Return by how much the logit of the right token leads that of any other, at the worst token of the opening."""
    places = [place for place, weight in enumerate(example.weights) if weight == OPENING_WEIGHT]
    tokens = torch.tensor(example.tokens[: places[-1] + 1])
    with torch.no_grad():
        logits = model(input_ids=tokens[None, :-1]).logits[0, places[0] - 1 :].float()
    right = tokens[places][:, None]
    others = logits.scatter(-1, right, -torch.inf).max(-1).values
    return float((logits.gather(-1, right)[:, 0] - others).min())


def save(out: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write weights, configuration and tokenizer."""
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.2,
        top_p=0.9,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
