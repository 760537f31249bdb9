import pytest

from tests.operator_world import tracebacks

STARTED, STOPPED = '{"level": "info", "msg": "started"}', '{"level": "info", "msg": "stopped"}'
KEPT = '{"level": "warning", "msg": "retried: the server answered 500"}'
LOGGED = '{"level": "error", "msg": "failed", "error": "Traceback (most recent call last):\\n  File ...\\nKeyError: 1"}'
BARE = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nKeyError: 1'


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        pytest.param([STARTED, KEPT, STOPPED], [], id="an error that was expected"),
        pytest.param([STARTED, LOGGED, STOPPED], [LOGGED], id="an error in an entry"),
        pytest.param([STARTED, LOGGED, KEPT, LOGGED], [LOGGED, LOGGED], id="each entry"),
        pytest.param([BARE, STARTED], [BARE], id="an interpreter that ends before the log begins"),
        pytest.param([STARTED, f"{STOPPED}\n{BARE}"], [f"{STOPPED}\n{BARE}"], id="an interpreter's last words"),
    ],
)
def test_what_nobody_expected_is_returned_whole(lines: list[str], want: list[str]) -> None:
    assert tracebacks("\n".join(lines)) == want
