from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.cli.layout import plain, rows_of
from genmodel_operator.cli.status_table import models_table
from genmodel_operator.cli.status_text import status_screen, status_text
from genmodel_operator.cli.story import EVENTS_FORBIDDEN, Story, parse
from genmodel_operator.cli.terminal import Style
from tests.builders_pods import a_ready_pod, container, in_prepare
from tests.builders_status import (
    FACTS,
    GIB,
    NOW,
    PLANNED,
    SERVING,
    a_condition,
    a_download,
    a_raw_model,
    a_story,
    an_event,
    not_ready,
)

STYLE = Style(80)
LONG = "m" * 52
POD = "mistral-0123456789-abcde-fghij"

READY = a_story(
    a_raw_model(SERVING, status=PLANNED),
    a_ready_pod(POD),
    events=[an_event("Planned", "1 x NVIDIA L4"), an_event("Serving", "1 of 1 replicas answer")],
)
LOADING = a_story(
    a_raw_model(not_ready(Reason.DOWNLOADING, progress="1.2 of 14.2 GiB"), status=PLANNED | {"readyReplicas": 0}),
    in_prepare(container("prepare", running={}), POD),
    runtimes={POD: a_download(int(1.5 * GIB), 14 * GIB, bytesPerSecond=90 * 1024**2, secondsLeft=142)},
)
GATED_VALUES = {"repository": "acme/gated", "credential": "the anonymous user", "secret": "genmodel-hub-token"}
GATED = a_story(
    a_raw_model(not_ready(Reason.MODEL_GATED, stalled=True, **GATED_VALUES), spec={"model": "acme/gated"}),
    events=[an_event("ModelGated", "spec.model: acme/gated is gated " * 9, kind="Warning")],
)
NEW = a_story(a_raw_model())
CROWD = a_story(
    a_raw_model(
        [*SERVING, a_condition("Drifted", "True", "BranchMoved", "the branch has moved, " * 40)],
        name=LONG,
        status=PLANNED | {"plan": {**PLANNED["plan"], "overridden": ["--api-key", "--port"], "tensorParallel": 4}},
    ),
    *(a_ready_pod(f"{LONG}-0123456789-{number:05}") for number in range(30)),
    events=[an_event("Serving", "words " * 60) for _ in range(20)],
    notes=[EVENTS_FORBIDDEN],
)
STORIES = {"ready": READY, "loading": LOADING, "gated": GATED, "new": NEW, "crowd": CROWD}


def test_a_served_model_is_told_whole() -> None:
    text = status_text(READY, STYLE)
    assert text.startswith(
        "team-a/mistral\n"
        "  mistralai/Mistral-7B-Instruct-v0.3 @ e0bc86c, Generate, apache-2.0\n"
        "● Ready: Serving\n"
        "  1 of 1 replicas answer at http://mistral.team-a.svc/v1\n"
        "\n"
        "  POD                             NODE    PHASE    READY  RESTARTS  AGE\n"
        "  mistral-0123456789-abcde-fghij  node-1  Serving  yes    0         10m\n"
        "\n"
        "  plan     1 x NVIDIA L4 per replica, 32768 tokens per request, 1.3 such\n"
        "           requests at once\n"
        "\n"
        "  weights  "
    )
    assert text.endswith(
        "  lately told\n     45s  Planned           1 x NVIDIA L4\n     45s  Serving           1 of 1 replicas answer\n"
    )


def test_a_model_that_runs_code_of_its_repository_says_so() -> None:
    status = PLANNED | {"model": FACTS | {"remoteCode": "config.json"}}
    text = status_text(a_story(a_raw_model(SERVING, status=status), a_ready_pod(POD)), STYLE)
    assert "apache-2.0, runs code of its own (config.json) " in " ".join(text.split())
    assert "runs code" not in status_text(READY, STYLE)


def test_the_request_can_be_pasted() -> None:
    text = status_text(READY, STYLE)
    assert (
        "    kubectl -n team-a port-forward service/mistral 8000:80 &\n"
        "    curl http://127.0.0.1:8000/v1/chat/completions \\\n"
        "      -H 'Content-Type: application/json' \\\n"
        '      -d \'{"model": "mistral",\n'
        '          "messages": [{"role": "user", "content": "Hello"}]}\'\n'
    ) in text


def test_embedding_models_rerankers_and_those_with_keys_are_asked_otherwise() -> None:
    raw = a_raw_model(SERVING, status=PLANNED | {"model": FACTS | {"task": "Embed"}})
    assert "/v1/embeddings \\" in status_text(a_story(raw), STYLE)
    assert '"input": ["Hello"]}' in status_text(a_story(raw), STYLE)
    reranker = a_raw_model(SERVING, status=PLANNED | {"model": FACTS | {"task": "Score"}})
    assert "/v1/rerank \\" in status_text(a_story(reranker), STYLE)
    assert '"documents": ["Good morning", "Good night"]}' in status_text(a_story(reranker), STYLE)
    raw["spec"]["access"] = {"apiKeysSecretRef": {"name": "keys"}}
    with_keys = replace(a_story(a_raw_model(SERVING, status=PLANNED)), raw=raw)
    assert '-H "Authorization: Bearer $API_KEY" \\' in status_text(with_keys, STYLE)


def test_a_download_has_a_bar_with_bytes_rate_and_time() -> None:
    text = status_text(LOADING, STYLE)
    (bar,) = [line for line in text.splitlines() if "░" in line]
    assert bar.startswith("  ██░")
    assert bar.endswith("░  10 %  1.5 GiB of 14.0 GiB  90.0 MiB/s  2m22s left")
    assert len(bar) == 80
    assert "Downloading 10 %  no " in text
    assert "  endpoint http://mistral.team-a.svc/v1 (no pod answers yet)\n" in text
    assert "curl" not in text


def test_what_a_person_can_do_is_on_a_line_of_its_own() -> None:
    text = status_text(GATED, STYLE)
    assert "● Stalled: ModelGated\n  spec.model: acme/gated is gated and the anonymous user is not authorised\n" in text
    assert "\n  → accept the licence on the model's page, then put that account's token into\n" in text


def test_a_model_that_nobody_looked_at_yet() -> None:
    assert status_text(NEW, STYLE) == (
        "team-a/mistral\n  mistralai/Mistral-7B-Instruct-v0.3\n● Working: Accepted\n  waiting for the operator\n"
    )


def test_ascii_is_enough() -> None:
    for story in STORIES.values():
        assert status_text(story, Style(80, unicode=False)).isascii()


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("size", [(48, 12), (80, 24), (120, 40)], ids=str)
def test_every_story_fits_the_screen_and_keeps_its_verdict(name: str, size: tuple[int, int]) -> None:
    columns, rows = size
    style = Style(columns, colour=True)
    lines = [plain(line) for line in status_screen(STORIES[name], style, rows - 1)]
    assert rows_of(lines, columns) < rows
    pasted = ("port-forward", "curl", "-d '", "messages")
    assert [line for line in lines if len(line) > columns and not any(word in line for word in pasted)] == []
    assert any(line.startswith("● ") for line in lines)


@pytest.mark.parametrize(
    ("rows", "want", "want_not"),
    [
        pytest.param(40, ["weights ", "lately told", "curl"], [], id="room for all"),
        pytest.param(24, ["lately told", "curl"], ["weights "], id="the memory goes first"),
        pytest.param(19, ["curl", "plan "], ["weights ", "lately told"], id="then what was told"),
    ],
)
def test_what_matters_least_is_left_out_first(rows: int, want: list[str], want_not: list[str]) -> None:
    screen = "\n".join(status_screen(READY, STYLE, rows))
    assert [words for words in want if words not in screen] == []
    assert [words for words in want_not if words in screen] == []


def test_the_same_facts_with_colours() -> None:
    coloured = status_text(GATED, Style(80, colour=True))
    assert "\033[1;31m●\033[0m" in coloured
    assert plain(coloured) == status_text(GATED, STYLE)


def models(*stories: Story) -> list[Any]:
    return [story.model for story in stories]


def test_the_table_of_a_namespace() -> None:
    lines = models_table(models(READY, LOADING, GATED), Style(100), NOW, namespace="team-a")
    assert lines[0].split() == ["NAME", "MODEL", "ACCELERATOR", "REPLICAS", "READY", "REASON", "AGE"]
    assert "True   Serving" in lines[1]
    assert "False  Downloading" in lines[2]
    assert lines[5].startswith("  mistral: spec.model: acme/gated is gated"), "what needs a person is told first"
    assert lines[7].startswith("  mistral: downloading the weights")


def test_the_table_of_all_namespaces_names_them_and_fits() -> None:
    crowd = [parse(a_raw_model(SERVING, name=LONG)) for _ in range(3)]
    lines = models_table(crowd, Style(100), NOW, namespace=None)
    assert lines[0].split()[0] == "NAMESPACE"
    assert max(len(line) for line in lines) <= 100
    assert len(lines) == 4, "nothing is to be told of what is ready"


@pytest.mark.parametrize(
    ("namespace", "want"),
    [
        ("team-a", "no models in namespace team-a; genmodel status -A shows all"),
        (None, "no models in this cluster"),
    ],
)
def test_no_models(namespace: str | None, want: str) -> None:
    assert models_table([], STYLE, NOW, namespace=namespace) == [want]
