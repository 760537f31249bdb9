import pytest

from bench.guard import CHAT, STREAM, row


def test_what_is_added_is_the_difference_of_the_medians() -> None:
    assert row([1.0, 1.0, 9.0], [1.25, 1.2, 1.3], "request") == {
        "bare, p50": "1.0000 ms",
        "guarded, p50": "1.2500 ms",
        "added": "0.2500 ms",
        "at most": "0.3 ms",
        "measurements of each": "3",
    }


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["chat", "stream"])
def test_the_requests_are_of_a_usual_size(body: bytes) -> None:
    assert 1500 < len(body) < 4000
