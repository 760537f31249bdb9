"""The Job that reads a user's claim: when it is made, made anew, given up, and what its end tells."""

from collections.abc import Sequence
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.controller.inspection import collect, inspect
from genmodel_operator.controller.steps import match
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.errors import NotFound
from genmodel_operator.kube.kinds import CLAIM, JOB, NETWORK_POLICY, Kind
from genmodel_operator.resources.job import with_generation
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.resources.source import build_inspection_job
from genmodel_operator.resources.storage import claim_of
from genmodel_operator.settings import Settings
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.folding import fold
from genmodel_runtime.inspection import encode
from genmodel_runtime.termination import Failure, termination_document
from tests.builders import LLAMA_CONFIG, a_gpu_plan, a_model, llama_tensors, some_facts

NOW, JUST_NOW, LONG_AGO = "2026-11-24T10:10:00Z", "2026-11-24T10:09:00Z", "2026-11-24T10:00:00Z"
SOURCE = {"persistentVolumeClaim": {"claimName": "models", "path": "llama"}}
DIGEST, OTHER = "d" * 40, "e" * 40
UID = "claim-1"
Object = dict[str, Any]
EMPTY = Failure(RuntimeReason.SOURCE_EMPTY, "the folder llama of the claim holds no files", ExitCode.NEEDS_A_PERSON)


def model(*, update: str = "", generation: int = 1, **spec: Any) -> Any:
    found = a_model(**({"source": SOURCE} | spec))
    annotations = {labels.UPDATE: update} if update else {}
    metadata = found.metadata.model_copy(update={"annotations": annotations, "generation": generation})
    return found.model_copy(update={"metadata": metadata})


def claim(*modes: str, **metadata: Any) -> Object:
    return {
        "metadata": {"name": "models", "namespace": "team-a", "uid": UID, **metadata},
        "spec": {"accessModes": list(modes or ("ReadWriteOnce",))},
        "status": {"phase": "Bound"},
    }


def job(kind: str = "", *, at: str = JUST_NOW, of: Any = None, uid: str = UID) -> Object:
    """A live Job in this state."""
    wished = of or model()
    given = claim_of(wished, claim())
    assert given is not None
    made = with_generation(
        build_inspection_job(wished, Settings(), wished.spec.claim_source, given, uid), wished.metadata.generation
    )
    made["metadata"] |= {"uid": "job-1"}
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": at}] if kind else []
    return {**made, "status": {"conditions": conditions}}


def pod(phase: str = "Running", **state: Any) -> Object:
    own = labels.child_labels("mistral", labels.COMPONENT_INSPECT)
    owner = {"kind": "Job", "name": "j", "uid": "job-1"}
    return {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "team-a", "labels": own, "ownerReferences": [owner]},
        "spec": {"nodeName": "n", "containers": []},
        "status": {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "prepare", "state": state}] if state else [],
        },
    }


def told(*, config: Any = LLAMA_CONFIG, digest: str = DIGEST) -> str:
    """What an inspection leaves."""
    document = {
        "digest": digest,
        "files": [["config.json", 500], ["model.safetensors", 1000]],
        "others": [],
        "documents": {"config.json": config},
        "indexed": False,
        "tensors": fold((one.name, one.dtype, one.shape) for one in llama_tensors()),
    }
    return encode(document).decode()


def succeeded(message: str) -> Object:
    return pod("Succeeded", terminated={"exitCode": 0, "message": message})


def failed(failure: Failure = EMPTY) -> Object:
    ended = {"exitCode": int(failure.exit_code), "message": termination_document(failure).decode()}
    return pod("Failed", terminated=ended)


class Client:
    """Holds a claim, and remembers what was created and deleted."""

    def __init__(self, *claims: Object, live: Any = ()) -> None:
        self._claims, self._live = claims, live
        self.created: list[Object] = []
        self.deleted: list[str] = []

    async def get(self, kind: Kind, _namespace: str, name: str) -> Object:
        for found in self._claims if kind is CLAIM else ():
            if found["metadata"]["name"] == name:
                return dict(found)
        raise NotFound(f"no {name}")

    async def list(self, kind: Kind, *_: Any, **__: Any) -> list[Object]:
        return [found for found in self._live if found["kind"] == kind.kind]

    async def create(self, kind: Kind, obj: Object) -> Object:
        made = {**obj, "metadata": {**obj["metadata"], "uid": f"{kind.kind}-new"}}
        self.created.append(made)
        return made

    async def delete(self, _kind: Kind, _namespace: str, name: str, **_: Any) -> None:
        self.deleted.append(name)

    def made(self, kind: Kind) -> Sequence[Object]:
        return [found for found in self.created if found["kind"] == kind.kind]


def context(
    client: Client, *jobs: Object, pods: Any = (), wished: Any = None, current: Revision | None = None
) -> Context:
    tools: Any = Tools(
        client=client,  # type: ignore[arg-type]
        hub=None,  # type: ignore[arg-type]
        cache=ChildCache(),
        inventory=None,  # type: ignore[arg-type]
        runtimes=None,  # type: ignore[arg-type]
        settings=Settings(),
        now=lambda: NOW,
    )
    ctx = Context(tools=tools, model=wished or model(), resync=False, current=current)
    ctx.jobs = {one["metadata"]["name"]: one for one in jobs}
    ctx.inspectors = list(pods)
    return ctx


async def run(ctx: Context) -> Any:
    source = ctx.model.spec.claim_source
    assert source is not None
    return await inspect(ctx, source)


async def test_the_first_look_makes_a_job_behind_a_closed_door() -> None:
    client = Client(claim())
    ctx = context(client)
    assert await run(ctx) is None
    assert [found["kind"] for found in client.created] == ["NetworkPolicy", "Job"], "the policy comes first"
    (policy,), (made,) = client.made(NETWORK_POLICY), client.made(JOB)
    assert (policy["spec"]["ingress"], policy["spec"]["egress"]) == ([], [])
    assert made["metadata"]["name"].startswith("mistral-")
    (failure,) = ctx.failures
    assert (failure.reason, failure.stalled) == (Reason.INSPECTING, False)
    assert failure.message == "a pod reads what is in the folder llama of the claim models"
    assert ctx.claim is not None


@pytest.mark.parametrize(
    ("found", "want"),
    [
        pytest.param([], "does not exist", id="none"),
        pytest.param([claim(deletionTimestamp=NOW)], "is being deleted", id="on its way out"),
        pytest.param([claim() | {"status": {"phase": "Lost"}}], "has lost its volume", id="lost"),
    ],
)
async def test_a_claim_that_cannot_be_used_is_named(found: list[Object], want: str) -> None:
    client = Client(*found)
    with pytest.raises(Stalled, match=want) as stalled:
        await run(context(client))
    assert stalled.value.reason is Reason.SOURCE_CLAIM_NOT_FOUND
    assert client.created == []


async def test_a_claim_for_one_pod_is_not_shared() -> None:
    with pytest.raises(Stalled, match="2 pods cannot share the claim models"):
        await run(context(Client(claim("ReadWriteOncePod")), wished=model(replicas=2)))


async def test_what_was_told_becomes_facts() -> None:
    client = Client(claim())
    facts = await run(context(client, job("Complete"), pods=[succeeded(told())]))
    assert (facts.repository, facts.commit) == ("mistralai/Mistral-7B-Instruct-v0.3", DIGEST)
    assert facts.parameters == some_facts().parameters
    assert client.made(JOB) == []


@pytest.mark.parametrize(
    ("message", "want_reason", "want_words"),
    [
        pytest.param(told(config={}), RuntimeReason.SOURCE_INVALID, "architectures is missing", id="a bad config"),
        pytest.param("", RuntimeReason.SOURCE_INVALID, "left no result", id="no words"),
        pytest.param(
            '{"contract":1,"inspection":"x"}', RuntimeReason.SOURCE_INVALID, "llama of the claim", id="damaged"
        ),
        pytest.param(
            '{"contract":99,"inspection":"x"}', RuntimeReason.SOURCE_INVALID, "version 99", id="of another release"
        ),
        pytest.param(
            told(config={**LLAMA_CONFIG, "auto_map": {"AutoModel": "a.b"}}),
            Reason.REMOTE_CODE_ELSEWHERE,
            "Python code from files on the claim",
            id="not a matter of the files",
        ),
    ],
)
async def test_files_that_cannot_be_served_are_refused(message: str, want_reason: Any, want_words: str) -> None:
    client = Client(claim())
    ctx = context(client, job("Complete"), pods=[succeeded(message)])
    with pytest.raises(Stalled, match=want_words) as stalled:
        await run(ctx)
    assert stalled.value.reason is want_reason
    assert client.made(JOB) == [], "not at once"
    assert ctx.after_seconds == pytest.approx(240)


@pytest.mark.parametrize(
    ("live", "pods", "wished", "want_new"),
    [
        pytest.param(job(), [pod()], model(), False, id="runs"),
        pytest.param(job(), [pod()], model(generation=2), False, id="runs, another wish"),
        pytest.param(job("Complete", at=LONG_AGO), [succeeded(told())], model(generation=2), False, id="is done"),
        pytest.param(job("Complete"), [succeeded("")], model(), False, id="vain, a minute ago"),
        pytest.param(job("Complete", at=LONG_AGO), [succeeded("")], model(), True, id="vain, ten minutes ago"),
        pytest.param(job("Complete"), [succeeded("")], model(generation=2), True, id="vain, another wish"),
        pytest.param(job("Failed"), [failed()], model(), False, id="failed a minute ago"),
        pytest.param(job("Failed", at=LONG_AGO), [failed()], model(), True, id="failed ten minutes ago"),
        pytest.param(job("Failed"), [failed()], model(generation=2), True, id="failed, another wish"),
        pytest.param(job("Complete"), [succeeded(told())], model(update="1"), True, id="its user asks again"),
        pytest.param(job("Complete", uid="claim-0"), [succeeded(told())], model(), True, id="of an earlier claim"),
        pytest.param(
            job("Complete", of=model(source={"persistentVolumeClaim": {"claimName": "models", "path": "other"}})),
            [succeeded(told())],
            model(),
            True,
            id="of another folder",
        ),
    ],
)
async def test_a_folder_is_read_again_only_where_that_helps(
    live: Object, pods: list[Object], wished: Any, want_new: bool
) -> None:
    client = Client(claim())
    ctx = context(client, live, pods=pods, wished=wished)
    try:
        await run(ctx)
    except Stalled:
        assert not want_new
    assert (len(client.made(JOB)), client.deleted) == ((1, [live["metadata"]["name"]]) if want_new else (0, []))


@pytest.mark.parametrize(
    ("live", "want_new"),
    [
        pytest.param([job("Complete"), succeeded(told())], 0, id="the cache lags behind"),
        pytest.param([job("Complete")], 1, id="its pod is gone"),
        pytest.param([], 1, id="both are gone"),
    ],
)
async def test_that_a_pod_is_gone_is_believed_of_live_reads_alone(live: list[Object], want_new: int) -> None:
    client = Client(claim(), live=live)
    facts = await run(context(client, job("Complete")))
    assert len(client.made(JOB)) == want_new
    assert (facts is None) is bool(want_new)


@pytest.mark.parametrize(
    ("pods", "want", "want_stalled"),
    [
        pytest.param([], Reason.INSPECTING, False, id="no pod yet"),
        pytest.param([pod(running={})], Reason.INSPECTING, False, id="it reads"),
        pytest.param([failed(), pod()], RuntimeReason.SOURCE_EMPTY, True, id="another try"),
        pytest.param([failed()], RuntimeReason.SOURCE_EMPTY, True, id="it failed"),
        pytest.param(
            [pod("Pending", waiting={"reason": "ErrImagePull", "message": "no such image"})],
            Reason.IMAGE_PULL_FAILED,
            True,
            id="no image",
        ),
    ],
)
async def test_why_it_is_not_known_yet(pods: list[Object], want: Any, want_stalled: bool) -> None:
    ctx = context(Client(claim()), job(), pods=pods)
    assert await run(ctx) is None
    assert [(failure.reason, failure.stalled) for failure in ctx.failures] == [(want, want_stalled)]


@pytest.mark.parametrize(
    ("pods", "wished", "want"),
    [
        pytest.param([failed()], model(), RuntimeReason.SOURCE_EMPTY, id="it failed"),
        pytest.param([succeeded(told(config={}))], model(), RuntimeReason.SOURCE_INVALID, id="files that are wrong"),
        pytest.param([failed()], model(generation=2), Reason.INSPECTING, id="another wish"),
    ],
)
async def test_another_try_tells_why_the_one_before_it_was_in_vain(pods: list[Object], wished: Any, want: Any) -> None:
    kind = "Failed" if pods[0]["status"]["phase"] == "Failed" else "Complete"
    client = Client(claim())
    ctx = context(client, job(kind, at=LONG_AGO), pods=pods, wished=wished)
    assert await run(ctx) is None
    (again,) = client.made(JOB)
    assert [failure.reason for failure in ctx.failures] == [want]
    assert (labels.FAILED_BEFORE in again["metadata"]["annotations"]) is (want is not Reason.INSPECTING)
    later = context(client, again, wished=wished)
    assert await run(later) is None
    assert [failure.reason for failure in later.failures] == [want], "also when its pod is on its way"


async def test_a_pod_that_finds_no_place_beside_the_others_says_so() -> None:
    waiting = pod("Pending")
    waiting["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: 1 didn't match pod affinity rules"}
    ]
    ctx = context(Client(claim()), job(), pods=[waiting])
    await run(ctx)
    (failure,) = ctx.failures
    assert failure.reason is Reason.UNSCHEDULABLE
    assert "all pods that use the claim models have to be on one node" in failure.message


def frozen(wished: Any = None, commit: str = DIGEST) -> Revision:
    facts = some_facts(commit=commit)
    return freeze(wished or model(), facts, ServedTask.GENERATE, a_gpu_plan(), Settings(), number=1)


@pytest.mark.parametrize(
    ("wished", "want"),
    [
        pytest.param(model(), DIGEST, id="the same"),
        pytest.param(model(replicas=3, generation=2), DIGEST, id="more replicas"),
        pytest.param(model(update="1"), None, id="its user asks again"),
        pytest.param(
            model(source={"persistentVolumeClaim": {"claimName": "models", "path": "v2"}}), None, id="another folder"
        ),
        pytest.param(model(source=None), None, id="a Hub"),
    ],
)
async def test_a_frozen_revision_is_found_without_a_look_at_the_claim(wished: Any, want: str | None) -> None:
    ctx = context(Client(), wished=wished)
    ctx.revisions = [frozen()]
    await match(ctx)
    assert ctx.commit == want
    assert (ctx.current is not None) is (want is not None)


@pytest.mark.parametrize(
    ("wished", "current", "frozen_before", "want_gone"),
    [
        pytest.param(model(), frozen(), True, True, id="frozen"),
        pytest.param(model(), frozen(), False, False, id="not frozen yet"),
        pytest.param(model(), None, False, False, id="not known yet"),
        pytest.param(model(source=None), None, False, True, id="from a Hub now"),
    ],
)
async def test_jobs_go_when_what_they_told_is_frozen(
    wished: Any, current: Revision | None, frozen_before: bool, want_gone: bool
) -> None:
    client, live = Client(), job("Complete")
    ctx = context(client, live, wished=wished, current=current)
    ctx.revisions = [current] if current is not None and frozen_before else []
    await collect(ctx)
    assert client.deleted == ([live["metadata"]["name"]] if want_gone else [])
