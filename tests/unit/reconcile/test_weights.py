"""The download Job of a claim: when it is made, made anew, given up, and what its sweep is told."""

import json
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.controller.weights import bring, find_claim, kept_claim, mend
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.errors import AlreadyExists, Forbidden, NotFound
from genmodel_operator.kube.kinds import CLAIM, CONTROLLER_REVISION, DEPLOYMENT, JOB, Kind
from genmodel_operator.resources.job import build_job, with_failure, with_generation
from genmodel_operator.resources.revision import Revision, build_controller_revision, freeze
from genmodel_operator.settings import Settings
from tests.builders import A_COMMIT, a_gpu_plan, a_model, some_facts
from tests.builders_pods import a_pod, a_termination, container, in_prepare

NOW, EARLIER, LATER = "2026-11-24T10:10:00Z", "2026-11-24T10:00:00Z", "2026-11-24T10:05:00Z"
THEIRS = {"persistentVolumeClaim": {"claimName": "shared"}}
MODEL = a_model(cache=THEIRS, status={"observedGeneration": 1})
OTHER_COMMIT, KEPT_COMMIT = "b" * 40, "c" * 40
UID = "claim-1"
Object = dict[str, Any]


def revision(commit: str = A_COMMIT, **spec: Any) -> Revision:
    model = a_model(**({"cache": THEIRS} | spec))
    return freeze(model, some_facts(commit=commit), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=1)


CURRENT = revision()


def claim(*modes: str, uid: str = UID, **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "shared", "namespace": "team-a", "uid": uid, **metadata},
        "spec": {"accessModes": list(modes or ("ReadWriteOnce",))},
        "status": {"phase": "Bound"},
    }


def job(kind: str = "", *, at: str = EARLIER, of: Revision = CURRENT, uid: str = UID, digest: str = "") -> Object:
    """A live Job in this state."""
    made = build_job(MODEL, of, uid)
    made["metadata"] |= {"uid": "job-1"}
    made["metadata"]["annotations"] |= {labels.DESIRED_HASH: digest} if digest else {}
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": at}] if kind else []
    done = {"completionTime": at} if kind == "Complete" else {}
    return {**made, "status": {"conditions": conditions, **done}}


class Client:
    """Holds objects by kind and name, and remembers what was created and deleted."""

    def __init__(self, *claims: Object, revisions: Any = (), deployments: Any = (), taken: bool = False) -> None:
        self._held = {CLAIM: claims, CONTROLLER_REVISION: revisions, DEPLOYMENT: deployments}
        self._taken = taken
        self.created: list[Object] = []
        self.deleted: list[str] = []

    async def get(self, kind: Kind, _namespace: str, name: str) -> Object:
        for found in self._held.get(kind, ()):
            if found["metadata"]["name"] == name:
                return dict(found)
        raise NotFound(f"no {name}")

    async def list(self, kind: Kind, *_: Any, **__: Any) -> list[Object]:
        return list(self._held.get(kind, ()))

    async def create(self, kind: Kind, obj: Object) -> Object:
        assert kind is JOB
        if self._taken:
            raise AlreadyExists("taken")
        self.created.append(obj)
        return {**obj, "metadata": {**obj["metadata"], "uid": "job-2", "resourceVersion": "9"}}

    async def delete(self, _kind: Kind, _namespace: str, name: str, **_: Any) -> None:
        self.deleted.append(name)


def a_context(client: Client, *jobs: Object, model: Any = MODEL, **more: Any) -> Context:
    tools = Tools(
        client=client,  # type: ignore[arg-type]
        hub=None,  # type: ignore[arg-type]
        cache=ChildCache(),
        inventory=None,  # type: ignore[arg-type]
        runtimes=None,  # type: ignore[arg-type]
        settings=Settings(),
        now=lambda: NOW,
    )
    held = {str(found["metadata"]["name"]): found for found in jobs}
    wanted: dict[str, Any] = {"current": CURRENT, "jobs": held}
    return Context(tools=tools, model=model, resync=False, **(wanted | more))


def fetcher(reason: str, code: int = 12) -> Object:
    ended = a_termination(reason, "x", code=code)
    pod = a_pod("f", phase="Failed", containerStatuses=[container("prepare", terminated=ended)])
    pod["metadata"] |= {"ownerReferences": [{"uid": "job-1"}]}
    return pod


class TestBring:
    async def test_without_a_claim_nothing_is_done(self) -> None:
        client = Client()
        ctx = a_context(client, current=revision(cache=None))
        await bring(ctx)
        assert (ctx.weights, client.created) == (None, [])

    async def test_the_first_job(self) -> None:
        client = Client(claim())
        ctx = a_context(client)
        await bring(ctx)
        (made,) = client.created
        assert made["metadata"]["name"] == f"mistral-{A_COMMIT[:10]}"
        assert made["metadata"]["annotations"][labels.CLAIM_UID] == UID
        assert made["metadata"]["annotations"][labels.GENERATION] == str(MODEL.metadata.generation)
        assert ctx.weights is not None
        assert not ctx.weights.is_complete
        assert ctx.waits_for_weights(CURRENT)

    async def test_a_job_that_is_done_is_left(self) -> None:
        client = Client(claim())
        ctx = a_context(client, job("Complete"))
        await bring(ctx)
        assert (client.created, client.deleted) == ([], [])
        assert ctx.weights is not None
        assert ctx.weights.is_complete
        assert not ctx.waits_for_weights(CURRENT)

    async def test_pods_that_run_are_never_held_back(self) -> None:
        ctx = a_context(Client(claim()), deployments={CURRENT.id: {}})
        await bring(ctx)
        assert not ctx.waits_for_weights(CURRENT)

    @pytest.mark.parametrize(
        ("found", "want_again"),
        [
            pytest.param(job(), False, id="it runs"),
            pytest.param(job(digest="other"), True, id="it runs for another wish"),
            pytest.param(job("Complete", digest="other"), False, id="done in another way"),
            pytest.param(job("Complete", uid="older"), True, id="done on an older claim of the name"),
            pytest.param(job("Failed", at=EARLIER), True, id="failed ten minutes ago"),
            pytest.param(job("Failed", at="2026-11-24T10:09:00Z"), False, id="failed a minute ago"),
        ],
    )
    async def test_when_it_is_made_anew(self, found: Object, want_again: bool) -> None:
        client = Client(claim())
        ctx = a_context(client, found)
        await bring(ctx)
        assert (len(client.created), client.deleted != []) == (int(want_again), want_again)

    @pytest.mark.parametrize(
        ("reason", "generation", "want_seconds"),
        [
            pytest.param("VolumeFull", 1, 240.0, id="five minutes"),
            pytest.param("AccessDenied", 1, None, id="a token may have been mended in a minute"),
            pytest.param("VolumeFull", 2, None, id="at once when the wish changed"),
        ],
    )
    async def test_how_soon_a_failure_is_tried_again(
        self, reason: str, generation: int, want_seconds: float | None
    ) -> None:
        client = Client(claim())
        # Status has seen the wish already, while the Job that fails is of the one before.
        model = a_model(cache=THEIRS, status={"observedGeneration": generation}, metadata={"generation": generation})
        failed = with_generation(job("Failed", at="2026-11-24T10:09:00Z"), 1)
        ctx = a_context(client, failed, model=model, fetchers=[fetcher(reason)])
        await bring(ctx)
        assert len(client.created) == (0 if want_seconds else 1)
        if want_seconds:
            assert ctx.after_seconds == want_seconds

    @pytest.mark.parametrize(
        ("digest", "pods", "annotated", "want"),
        [
            pytest.param("", [fetcher("VolumeFull")], None, "x; free or add disk space", id="what its pod said"),
            pytest.param("", [], "it was full", "it was full", id="what the one before it said, without a pod"),
            pytest.param("", [], None, None, id="nobody said anything"),
            pytest.param("other", [fetcher("VolumeFull")], None, None, id="of another wish"),
        ],
    )
    async def test_a_try_knows_why_the_one_before_it_failed(
        self, digest: str, pods: list[Object], annotated: str | None, want: str | None
    ) -> None:
        found = job("Failed", digest=digest)
        if annotated:
            found = with_failure(found, "VolumeFull", annotated)
        client = Client(claim())
        ctx = a_context(client, found, fetchers=pods)
        await bring(ctx)
        (made,) = client.created
        assert ctx.weights is not None
        cause = ctx.weights.failed_before
        assert (cause is not None) is (want is not None)
        assert want is None or (cause is not None and cause.message.startswith(want))
        plain = build_job(MODEL, CURRENT, UID)["metadata"]["annotations"]
        assert made["metadata"]["annotations"][labels.DESIRED_HASH] == plain[labels.DESIRED_HASH]

    async def test_a_name_that_is_still_taken_is_looked_at_again(self) -> None:
        ctx = a_context(Client(claim(), taken=True))
        await bring(ctx)
        assert ctx.after_seconds == 2.0

    @pytest.mark.parametrize(
        ("found", "replicas", "want"),
        [
            pytest.param([], 1, Reason.CLAIM_NOT_FOUND, id="none"),
            pytest.param([claim(deletionTimestamp=NOW)], 1, Reason.CLAIM_NOT_FOUND, id="being deleted"),
            pytest.param([claim() | {"status": {"phase": "Lost"}}], 1, Reason.CLAIM_NOT_FOUND, id="no volume"),
            pytest.param([claim("ReadWriteOncePod")], 2, Reason.CLAIM_NOT_SHAREABLE, id="for one pod"),
        ],
    )
    async def test_a_claim_that_cannot_be_used(self, found: list[Object], replicas: int, want: Reason) -> None:
        client = Client(*found)
        ctx = a_context(client, model=a_model(cache=THEIRS, replicas=replicas))
        with pytest.raises(Stalled) as raised:
            await bring(ctx)
        assert (raised.value.reason, client.created) == (want, [])
        assert ctx.waits_for_weights(CURRENT)

    async def test_a_refused_job_is_told(self) -> None:
        class Refusing(Client):
            async def create(self, kind: Kind, obj: Object) -> Object:
                raise Forbidden("jobs.batch is forbidden: exceeded quota: jobs")

        with pytest.raises(Stalled) as raised:
            await bring(a_context(Refusing(claim())))
        assert raised.value.reason is Reason.REFUSED_BY_CLUSTER


class TestCollect:
    @pytest.mark.parametrize(
        ("found", "known", "want_gone"),
        [
            pytest.param(job("Complete", of=revision(OTHER_COMMIT)), True, False, id="done, and known for going back"),
            pytest.param(job("Complete", of=revision(OTHER_COMMIT)), False, True, id="done, and nobody knows it"),
            pytest.param(job(of=revision(OTHER_COMMIT)), True, True, id="runs, and nobody waits"),
        ],
    )
    async def test_jobs_of_other_commits(self, found: Object, known: bool, want_gone: bool) -> None:
        client = Client(claim())
        ctx = a_context(client, found, job("Complete"), revisions=[revision(OTHER_COMMIT)] if known else [])
        await bring(ctx)
        assert client.deleted == ([found["metadata"]["name"]] if want_gone else [])

    async def test_nothing_goes_while_the_wish_is_not_known(self) -> None:
        client = Client(claim())
        await bring(a_context(client, job(of=revision(OTHER_COMMIT)), current=None))
        assert client.deleted == []


class TestInUse:
    def told(self, client: Client) -> Object:
        (made,) = client.created
        (pod,) = made["spec"]["template"]["spec"]["containers"]
        found: Object = json.loads(next(e["value"] for e in pod["env"] if e["name"] == "GENMODEL_IN_USE"))
        return found

    async def test_every_model_of_the_claim_is_heard(self) -> None:
        other = a_model(cache=THEIRS, metadata={"name": "other"})
        serving = build_controller_revision(other, revision(OTHER_COMMIT))
        kept = build_controller_revision(other, revision(KEPT_COMMIT))
        running = {"metadata": {"name": serving["metadata"]["name"]}}
        client = Client(claim(), revisions=[serving, kept], deployments=[running])
        await bring(a_context(client))
        want = {"claim": UID, "serving": sorted([A_COMMIT, OTHER_COMMIT]), "kept": [KEPT_COMMIT], "asOf": 1795515000}
        assert self.told(client) == want

    async def test_a_revision_that_cannot_be_read_stops_the_sweep(self) -> None:
        broken = build_controller_revision(MODEL, revision(OTHER_COMMIT))
        broken["data"] = {}
        client = Client(claim(), revisions=[broken])
        await bring(a_context(client))
        assert self.told(client)["asOf"] == 0


MISSING: Object = {"failure": {"reason": "WeightsIncomplete"}}


class TestMend:
    def pod(self, prepare: Object) -> Object:
        pod = in_prepare(prepare, "p")
        pod["metadata"]["labels"][labels.REVISION] = CURRENT.id
        pod["metadata"]["creationTimestamp"] = LATER
        return pod

    def ctx(self, client: Client, pod: Object, runtime: Object) -> Context:
        born = {"metadata": {"creationTimestamp": EARLIER}}
        return a_context(client, job("Complete"), pods=[pod], runtimes={"p": runtime}, deployments={CURRENT.id: born})

    @pytest.mark.parametrize(
        ("prepare", "runtime", "want_again"),
        [
            pytest.param(container("prepare", running={"startedAt": LATER}), MISSING, True, id="missing"),
            pytest.param(container("prepare", running={"startedAt": LATER}), {}, False, id="nothing told"),
            pytest.param(
                container("prepare", running={"startedAt": "2026-11-24T09:00:00Z"}), MISSING, False, id="brought since"
            ),
            pytest.param(
                container(
                    "prepare",
                    waiting={"reason": "CrashLoopBackOff"},
                    last=a_termination("WeightsIncomplete", "x", code=10) | {"finishedAt": LATER},
                ),
                {},
                True,
                id="ended with these words",
            ),
            pytest.param(
                container("prepare", terminated=a_termination("ContractMismatch", "x") | {"finishedAt": LATER}),
                {},
                False,
                id="ended for another reason",
            ),
        ],
    )
    async def test_the_job_runs_again(self, prepare: Object, runtime: Object, want_again: bool) -> None:
        client = Client(claim())
        ctx = self.ctx(client, self.pod(prepare), runtime)
        await bring(ctx)
        await mend(ctx)
        assert (client.deleted != []) is want_again


class TestFindClaim:
    @pytest.mark.parametrize(
        ("modes", "want"),
        [
            pytest.param(("ReadWriteMany",), False, id="many nodes"),
            pytest.param(("ReadWriteOnce",), True, id="one node"),
        ],
    )
    async def test_a_new_revision_knows_the_modes(self, modes: tuple[str, ...], want: bool) -> None:
        ctx = a_context(Client(claim(*modes)), current=None)
        await find_claim(ctx)
        assert ctx.claim is not None
        assert ctx.claim.is_for_one_node is want

    async def test_a_frozen_one_asks_nobody(self) -> None:
        ctx = a_context(Client())
        await find_claim(ctx)
        assert ctx.claim is None

    async def test_one_that_is_to_be_created_is_not_missed(self) -> None:
        ctx = a_context(Client(), current=None, model=a_model(cache={"persistentVolumeClaim": {}}))
        await find_claim(ctx)
        assert ctx.claim is not None
        assert (ctx.claim.name, ctx.claim.is_ours) == ("mistral-weights", True)

    async def test_one_that_does_not_exist(self) -> None:
        with pytest.raises(Stalled) as raised:
            await find_claim(a_context(Client(), current=None))
        assert raised.value.reason is Reason.CLAIM_NOT_FOUND


@pytest.mark.parametrize(
    ("owner", "more", "want"),
    [
        pytest.param("mistral", {}, True, id="its own"),
        pytest.param("mistral", {"deletionTimestamp": NOW}, False, id="on its way out"),
        pytest.param("other", {}, False, id="another model's"),
    ],
)
def test_what_a_deleted_model_leaves(owner: str, more: Object, want: bool) -> None:
    cache = ChildCache()
    cache.put(CLAIM, claim(labels=labels.child_labels(owner, "fetch"), resourceVersion="1", **more))
    assert (kept_claim(cache, "team-a", "mistral") is not None) is want
