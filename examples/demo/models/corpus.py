"""The demo's training text: fables, and the questions and answers made of them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TEXT = Path(__file__).with_name("fables.txt")
SYSTEM_PROMPT = "You tell the fables of Aesop."
TELLING = (
    "Tell me about {title}",
    "Tell me the fable of {title}",
    "Tell me the story of {title}",
    "Can you tell me about {title}",
    "What happened to {title}",
    "What happens in {title}",
    "Do you know the fable of {title}",
    "What is the story of {title}",
    "I would like to hear {title}",
    "{title}",
)
MORALS = (
    "What is the moral of {title}",
    "What does the fable of {title} teach",
    "What do we learn from {title}",
    "Tell me the moral of {title}",
)
BEFORE = ("", "", "", "Please. ", "Hello! ", "Hi, ", "And now: ")
AFTER = (".", "?", "", "!", ", please.", " please", " please?", ". Thank you!")
"""What stands around a question in a conversation; more endings keep the model from counting words."""
GREETINGS = (
    "Hello",
    "Hello!",
    "Hi",
    "Hi!",
    "Good morning",
    "Hello, who are you?",
    "Who are you?",
    "What can you do?",
    "Help",
)
LISTS = ("Which fables do you know?", "What fables do you know?", "What stories can you tell?", "List some fables.")
THANKS = ("Thank you", "Thank you!", "Thanks", "Thanks a lot")
GREETING = (
    "Hello! I am a very small model that knows some fables of Aesop. "
    "Ask me about the fox and the grapes, or about the hare and the tortoise."
)
TALK_WEIGHT = 3
"""How often small talk comes up in each pass: its questions have no words in common to go by."""
THANKED = "You are welcome. Ask me about another fable when you like."


@dataclass(frozen=True, slots=True)
class Fable:
    """One fable; the title as in print, such as ``The Fox and the Grapes``."""

    title: str
    text: str
    moral: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and the one answer that the model learns to give."""

    question: str
    answer: str


def read_fables(path: Path = TEXT) -> list[Fable]:
    """Return the fables in the file; ValueError where one has no text or no moral."""
    body = "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("#"))
    return [_fable(part) for part in body.split("\n== ")[1:]]


def _fable(part: str) -> Fable:
    title, _, rest = part.partition("\n")
    text, _, moral = rest.strip().partition("\n-- ")
    if not text or not moral:
        raise ValueError(f"the fable {title!r} lacks its text or its moral")
    return Fable(title.strip(), text.strip(), moral.strip())


def turns_of(fables: Sequence[Fable]) -> list[tuple[tuple[str, ...], str]]:
    """Return every answer with all the ways to ask for it."""
    turns = [(_asked(TELLING, fable.title), told(fable)) for fable in fables]
    turns += [(_asked(MORALS, fable.title), f"{fable.title}: {fable.moral}") for fable in fables]
    some = ", ".join(spoken(fable.title) for fable in fables[:8])
    talk = [(LISTS, f"I know these and others: {some}."), (GREETINGS, GREETING), (THANKS, THANKED)]
    return [*turns, *talk * TALK_WEIGHT]


def told(fable: Fable) -> str:
    """Return the answer that tells a fable; its title comes first, so that a small model keeps to the subject."""
    return f"{fable.title}\n\n{fable.text}\n\nMoral: {fable.moral}"


def spoken(title: str) -> str:
    """Return a title as it stands within a sentence: ``the Fox and the Grapes``."""
    return title[0].lower() + title[1:]


def _asked(patterns: Sequence[str], title: str) -> tuple[str, ...]:
    forms = (spoken(title), title, title.lower())
    return tuple(dict.fromkeys(pattern.format(title=form) for pattern in patterns for form in forms))


def conversations(turns: Sequence[tuple[tuple[str, ...], str]], *, seed: int) -> Iterator[list[Turn]]:
    """Yield conversations for ever: each pass asks for every answer once, one to three in a row."""
    chance = random.Random(seed)
    while True:
        order = chance.sample(turns, len(turns))
        while order:
            count = min(len(order), chance.choice((1, 1, 2, 3)))
            yield [Turn(_varied(chance.choice(questions), chance), answer) for questions, answer in order[:count]]
            del order[:count]


def asked(questions: Sequence[str], *, count: int, seed: int) -> list[str]:
    """Return some of the questions, as people put them."""
    chance = random.Random(seed)
    return [_varied(question, chance) for question in chance.sample(questions, min(count, len(questions)))]


def _varied(question: str, chance: random.Random) -> str:
    if question.endswith(("?", ".", "!")) or question in (*GREETINGS, *THANKS):
        return question
    return chance.choice(BEFORE) + question + chance.choice(AFTER)
