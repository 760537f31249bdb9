"""The main job on real parts: six lines, a real pod, real vLLM, an answer through the Service."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from examples.demo.steps import CHAT, EMBEDDINGS, QUESTION
from examples.demo.talk import ANSWER_TOKENS
from tests.cluster import HostedCluster
from tests.cluster.progress import wait_until
from tests.measured import measured
from tests.platform import RERANKER, Platform, write_reranker
from tests.reference_scores import reference_scores

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

QUERY, DOCUMENTS = "a b c", ["a b c d", "x y z", "q"]


def client(platform: Platform, name: str) -> OpenAI:
    return OpenAI(base_url=platform.endpoint(name), api_key="unused", timeout=120, max_retries=0)


def test_six_lines_lead_to_a_streamed_chat_answer(platform: Platform, fables: str) -> None:
    row = platform.wait_for(fables, "Serving")
    assert f"http://{fables}.default.svc/v1" in row
    with client(platform, fables) as api:
        stream = api.chat.completions.create(
            model=fables,
            messages=[{"role": "user", "content": QUESTION}],
            max_tokens=ANSWER_TOKENS,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        names = [model.id for model in api.models.list()]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "grapes" in said
    assert chunks[-1].usage is not None
    assert names == [fables, CHAT]
    status = platform.get("gm", fables)["status"]
    assert status["measured"]["engineVersion"].startswith("0.32.0")
    assert status["measured"]["kvTokens"] > 0
    assert platform.pods(fables)[0]["metadata"]["labels"]["genmodel.dev/commit"] == status["model"]["commit"][:12]
    assert_hardened(platform, fables)
    assert_learnt(platform, fables, status)


def assert_learnt(platform: Platform, name: str, status: dict[str, Any]) -> None:
    """What servers of this model measured is used when it is planned again, before any pod of that plan starts."""
    (entry,) = measured(platform, status["model"]["commit"])
    assert (entry["product"], entry["engineVersion"]) == ("CPU", "0.32.0")
    time.sleep(11)
    platform.wish("again", CHAT, context={"maxModelLen": status["plan"]["maxModelLen"]})
    wait_until("its plan", lambda: "plan" in platform.get("gm", "again").get("status", {}), timeout_seconds=60)
    planned = platform.get("gm", "again")["status"]["plan"]
    assert f"{entry['kvTokens']} tokens in " in planned["explanation"]
    assert "as measured on " in planned["explanation"]
    assert platform.get("gm", name)["status"]["plan"] == status["plan"], "a plan that serves stays as it is"
    platform.delete("again")


def assert_hardened(platform: Platform, name: str) -> None:
    """The process really runs as another user on a read-only root and without a token of the cluster."""
    pod = platform.pods(name)[0]["metadata"]["name"]
    inside = platform.cluster.kubectl(
        "exec", pod, "-c", "server", "--", "sh", "-c", "id -u; touch /x 2>&1; ls /var/run/secrets 2>&1; true"
    )
    assert inside.splitlines()[0] == "10001"
    assert "Read-only file system" in inside
    assert "kubernetes.io" not in inside


@pytest.mark.soak
def test_a_reranker_scores_and_ranks_through_the_service(platform: Platform, tmp_path: Path) -> None:
    if isinstance(platform.cluster, HostedCluster):
        pytest.skip("the Hub of a hosted cluster has no reranker")
    platform.wish("ranks", RERANKER)
    want = reference_scores(write_reranker(tmp_path / "model"), [(QUERY, text) for text in DOCUMENTS], tmp_path)
    platform.wait_for("ranks", "Serving")
    assert platform.get("gm", "ranks")["status"]["model"]["task"] == "Score"
    with client(platform, "ranks") as api:
        asked: dict[str, Any] = {"model": "ranks", "documents": DOCUMENTS}
        scored: Any = api.post("/score", body={**asked, "queries": QUERY}, cast_to=object)
        ranked: Any = api.post("/rerank", body={**asked, "query": QUERY, "top_n": 2}, cast_to=object)
        with pytest.raises(NotFoundError, match="served for scores"):
            api.embeddings.create(model="ranks", input="a")
    assert [item["score"] for item in scored["data"]] == pytest.approx(want, abs=1e-4)
    order = sorted(range(len(DOCUMENTS)), key=lambda index: -want[index])
    assert [item["index"] for item in ranked["results"]] == order[:2]
    platform.delete("ranks")


def test_a_bad_engine_argument_is_named_where_people_look(platform: Platform) -> None:
    platform.wish("odd", CHAT, engine={"args": ["--no-such-flag"]})
    platform.assert_shown(
        "odd",
        reason="BadEngineArgument",
        words=("--no-such-flag", "correct or remove the entry in spec.engine.args"),
        event="Warning BadEngineArgument",
        row={"READY": "False"},
    )
    platform.delete("odd")


def test_download_is_shown_and_a_model_deleted_meanwhile_leaves_nothing(platform: Platform) -> None:
    platform.hub_fault(match="model.safetensors", port="cdn", bytes_per_second=500_000, times=None)
    try:
        platform.wish("slow", EMBEDDINGS)
        wait_until("bytes in status", lambda: platform.received_bytes("slow") > 0, timeout_seconds=90)
        total = platform.get("gm", "slow")["status"]["download"]["bytesTotal"]
        seen = platform.assert_shown(
            "slow",
            reason="Downloading",
            words=("downloading the weights:", f"Bytes Total: {total}"),
            event="Normal Downloading",
            row={"READY": "False", "REPLICAS": "0/1"},
        )
        told = re.search(r"Bytes Done: (\d+)", seen.text)
        assert told is not None
        assert 0 < int(told[1]) < total
        assert seen.warnings == []
        platform.delete("slow")
        wait_until("its pods to be gone", lambda: platform.pods("slow") == [], timeout_seconds=120)
    finally:
        platform.clear_hub_faults()
    for look in ("get", "describe"):
        gone = platform.cluster.run(["kubectl", look, "gm", "slow"], check=False)
        assert (gone.returncode, gone.stdout) == (1, "")
        assert '"slow" not found' in gone.stderr
    left = platform.cluster.kubectl(
        "get", "deployments,services,controllerrevisions", "-l", "genmodel.dev/model=slow", "-o", "json"
    )
    assert json.loads(left)["items"] == []
