"""The pod that the start-up bench makes by hand: a model's containers with nothing of the model in them."""

from datetime import UTC, datetime

from bench.start_up_floor import SAYS_THAT_IT_RUNS, bare, moment_of_first_line
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.settings import Settings
from tests.builders import a_cpu_plan, a_model, some_facts


def a_pod() -> dict[str, object]:
    objects = build_all(a_model(), some_facts(), ServedTask.GENERATE, a_cpu_plan(), Settings())
    deployment = next(found for found in objects if found["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    return {"metadata": {"namespace": "team"}, "spec": spec}


def test_the_containers_are_the_models_and_only_say_that_they_run() -> None:
    pod = a_pod()
    made = bare(pod)
    for kind in ("initContainers", "containers"):
        want = [(each["name"], each["image"]) for each in pod["spec"][kind]]  # type: ignore[index]
        assert [(each["name"], each["image"]) for each in made["spec"][kind]] == want
        assert all(each["command"] == SAYS_THAT_IT_RUNS for each in made["spec"][kind])


def test_nothing_is_probed_or_told() -> None:
    made = bare(a_pod())
    assert made["metadata"]["namespace"] == "team"
    for each in made["spec"]["initContainers"] + made["spec"]["containers"]:
        assert not {"env", "args", "startupProbe", "readinessProbe", "livenessProbe"} & set(each)


def test_the_volumes_are_there_because_a_kubelet_takes_its_time_for_them() -> None:
    pod, made = a_pod(), bare(a_pod())
    assert made["spec"]["volumes"] == pod["spec"]["volumes"]  # type: ignore[index]
    mounted = {mount["name"] for each in made["spec"]["containers"] for mount in each["volumeMounts"]}
    assert mounted <= {volume["name"] for volume in made["spec"]["volumes"]}


def test_the_moment_is_the_container_runtimes_own() -> None:
    log = "2026-11-26T18:10:40.250000000Z runs\n"
    want = datetime(2026, 11, 26, 18, 10, 40, 250_000, tzinfo=UTC).timestamp()
    assert moment_of_first_line(log) == want
