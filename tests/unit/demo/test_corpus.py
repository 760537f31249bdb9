"""The chat model's training text and the conversations made of it."""

from itertools import islice
from pathlib import Path

import pytest

from examples.demo.models.corpus import Fable, asked, conversations, read_fables, told, turns_of

FABLES = read_fables()


def test_the_file_states_where_the_text_comes_from() -> None:
    head = Path("examples/demo/models/fables.txt").read_text().partition("\n== ")[0]
    assert "George Fyler Townsend" in head
    assert "public domain" in head


def test_every_fable_has_a_title_a_text_and_a_moral() -> None:
    assert len(FABLES) == len({fable.title for fable in FABLES}) == 27
    assert all(fable.text.endswith((".", '"')) and fable.moral.endswith(".") for fable in FABLES)
    assert not any("#" in fable.text or "==" in fable.text for fable in FABLES)


def test_a_fable_without_a_moral_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "fables.txt"
    broken.write_text("# head\n\n== The Fox\nA fox.\n")

    with pytest.raises(ValueError, match="'The Fox' lacks"):
        read_fables(broken)


def test_the_title_opens_the_answer_and_the_moral_ends_it() -> None:
    assert told(Fable("The Fox", "A fox ran.", "Run.")) == "The Fox\n\nA fox ran.\n\nMoral: Run."


def test_the_demo_s_question_is_asked_in_training() -> None:
    questions, answer = next(
        (questions, answer) for questions, answer in turns_of(FABLES) if answer.startswith("The Fox and the Grapes\n")
    )
    assert "Tell me about the Fox and the Grapes" in questions
    assert "Tell me about the fox and the grapes" in questions
    assert "The grapes are sour" in answer


def test_no_question_has_two_answers() -> None:
    known: dict[str, str] = {}
    for questions, answer in turns_of(FABLES):
        for question in questions:
            assert known.setdefault(question, answer) == answer


def test_a_pass_asks_for_every_answer() -> None:
    turns = turns_of(FABLES)
    answers: list[str] = []
    for conversation in conversations(turns, seed=1):
        answers += [turn.answer for turn in conversation]
        if len(answers) >= len(turns):
            break
    assert sorted(answers) == sorted(answer for _, answer in turns)


def test_the_same_seed_gives_the_same_conversations() -> None:
    turns = turns_of(FABLES)
    first, second, other = (list(islice(conversations(turns, seed=seed), 50)) for seed in (1, 1, 2))

    assert first == second
    assert first != other
    assert {len(conversation) for conversation in first} == {1, 2, 3}


@pytest.mark.parametrize(
    ("questions", "want"),
    [
        pytest.param(("Hello", "Hi", "Who are you?", "Help"), 3, id="more than wanted"),
        pytest.param(("Hello", "Who are you?"), 2, id="fewer than wanted"),
    ],
)
def test_what_is_learned_is_asked_as_people_put_it(questions: tuple[str, ...], want: int) -> None:
    found = asked(questions, count=3, seed=1)
    assert len(set(found)) == want
    assert set(found) <= set(questions)


def test_the_same_questions_are_asked_each_time() -> None:
    answers = {answer.partition("\n")[0]: questions for questions, answer in turns_of(FABLES)}
    first = asked(answers["The Fox and the Grapes"], count=3, seed=1)
    assert first == asked(answers["The Fox and the Grapes"], count=3, seed=1)
    assert all("fox and the grapes" in question.lower() for question in first)
