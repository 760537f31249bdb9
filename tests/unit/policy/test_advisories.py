"""Which known vulnerabilities a server is open to."""

from typing import Any

import pytest

from genmodel_operator.engines.overrides import is_our_variable, overridden_args
from genmodel_operator.policy.advisories import (
    Server,
    advisories_of,
    by_severity,
    exposures,
    fixed_in,
    is_affected,
    known_advisories,
)
from genmodel_operator.policy.document import Advisory, AdvisorySeverity, Exposure, Policy
from genmodel_operator.policy.versions import release, version_of_image
from genmodel_operator.settings import ENGINE_VERSION


def an_advisory(id_: str = "CVE-2027-1", **keys: Any) -> Advisory:
    given = {"id": id_, "severity": "High", "affected": [{"introduced": "0.8.3", "fixed": "0.14.1"}], "summary": "s"}
    return Advisory.model_validate(given | keys)


@pytest.mark.parametrize(
    ("version", "want"),
    [
        pytest.param("0.8.2", False, id="before the first"),
        pytest.param("0.8.3", True, id="the first"),
        pytest.param("0.10.0", True, id="ten is more than eight"),
        pytest.param("0.14.1rc1", True, id="a candidate of the fix"),
        pytest.param("0.14", True, id="a short number"),
        pytest.param("0.14.0.post1", True, id="a post release"),
        pytest.param("0.14.1", False, id="the fix"),
        pytest.param("0.14.1+cpu", False, id="the fix, built for CPU"),
        pytest.param("1.0", False, id="long after"),
    ],
)
def test_affected_releases(version: str, want: bool) -> None:
    running = release(version)
    assert running is not None
    assert is_affected(an_advisory(), running) is want


def test_several_ranges() -> None:
    two = an_advisory(affected=[{"fixed": "0.8.0"}, {"introduced": "0.9.0", "fixed": "0.9.2"}])
    found = {
        version: is_affected(two, release(version) or ((), True)) for version in ("0.1", "0.8.5", "0.9.1", "0.9.2")
    }
    assert found == {"0.1": True, "0.8.5": False, "0.9.1": True, "0.9.2": False}


@pytest.mark.parametrize(
    ("keys", "server", "want"),
    [
        pytest.param({}, {}, True, id="always"),
        pytest.param({"exposed": "Never"}, {}, False, id="never"),
        pytest.param({"exposed": "Media"}, {"category": "multimodal"}, True, id="takes images"),
        pytest.param({"exposed": "Media"}, {"category": "transcription"}, True, id="takes audio"),
        pytest.param({"exposed": "Media"}, {"category": "text-generation"}, False, id="takes text alone"),
        pytest.param({"exposed": "Media"}, {"category": ""}, False, id="not in the table, so it is not served"),
        pytest.param({"exposed": "Flag", "flags": ["--grpc"]}, {"args": ["--grpc"]}, True, id="a flag"),
        pytest.param({"exposed": "Flag", "flags": ["--grpc"]}, {"args": ["--grpc=1"]}, True, id="a flag with a value"),
        pytest.param(
            {"exposed": "Flag", "flags": ["--enable-lora"]}, {"args": ["--enable_lora"]}, True, id="underscores"
        ),
        pytest.param(
            {"exposed": "Flag", "flags": ["--kv-transfer-config"]},
            {"args": ["--kv-transfer-config.role", "x"]},
            True,
            id="a part of a flag",
        ),
        pytest.param({"exposed": "Flag", "flags": ["--grpc"]}, {"args": ["--grpc-port"]}, False, id="another flag"),
        pytest.param({"exposed": "Flag", "flags": ["--a", "--b"]}, {"args": ["--b"]}, True, id="one of two flags"),
        pytest.param(
            {"exposed": "Variable", "variables": ["PYTHONOPTIMIZE"]},
            {"variables": ["PYTHONOPTIMIZE"]},
            True,
            id="a variable",
        ),
        pytest.param(
            {"exposed": "Variable", "variables": ["PYTHONOPTIMIZE"]}, {"variables": ["HOME"]}, False, id="no variable"
        ),
    ],
)
def test_the_condition_of_exposure(keys: dict[str, Any], server: dict[str, Any], want: bool) -> None:
    found = exposures([an_advisory(**keys)], Server("0.10.0", **server))
    assert [one.id for one in found] == (["CVE-2027-1"] if want else [])


def test_the_worst_comes_first_and_is_counted() -> None:
    severities = ["Low", "Critical", "Medium", "High", "Critical"]
    given = [an_advisory(f"CVE-1-{number}", severity=severity) for number, severity in enumerate(severities)]
    found = exposures(given, Server("0.10.0"))
    assert [one.id for one in found] == ["CVE-1-1", "CVE-1-4", "CVE-1-3", "CVE-1-2", "CVE-1-0"]
    assert {severity.value: count for severity, count in by_severity(found).items()} == {
        "Critical": 2,
        "High": 1,
        "Medium": 1,
        "Low": 1,
    }
    assert set(by_severity(())) == set(AdvisorySeverity)


def test_the_fix_of_all_is_the_last_one() -> None:
    given = [an_advisory(affected=[{"fixed": fixed}]) for fixed in ("0.9.2", "0.31.0", "0.30.0")]
    assert fixed_in(given) == "0.31.0"


def test_a_version_that_is_none() -> None:
    with pytest.raises(ValueError, match="nightly is no release"):
        exposures([], Server("nightly"))


# -- the shipped table


def test_the_shipped_entries_have_a_source_and_an_id_of_their_own() -> None:
    known = known_advisories()
    assert len({one.id for one in known}) == len(known) > 20
    assert [one.id for one in known if not one.source.startswith("https://")] == []


def test_a_condition_that_needs_a_name_has_one() -> None:
    assert [one.id for one in known_advisories() if (one.exposed is Exposure.FLAG) != bool(one.flags)] == []
    assert [one.id for one in known_advisories() if (one.exposed is Exposure.VARIABLE) != bool(one.variables)] == []


def test_the_default_engine_is_open_to_none_of_them() -> None:
    every_flag = [flag for one in known_advisories() for flag in one.flags]
    every_variable = [name for one in known_advisories() for name in one.variables]
    everything_on = Server(ENGINE_VERSION, "multimodal", every_flag, every_variable)
    assert [one.id for one in exposures(known_advisories(), everything_on)] == []


@pytest.mark.parametrize(
    ("version", "want"),
    [
        pytest.param(
            "0.31.0",
            ["CVE-2026-115911", "CVE-2026-115918"],
            id="one release before",
        ),
        pytest.param(
            "0.29.0",
            ["CVE-2026-114051", "CVE-2026-115911", "CVE-2026-115918", "PYSEC-2026-4199"],
            id="three releases before",
        ),
    ],
)
def test_an_older_engine_with_a_text_model(version: str, want: list[str]) -> None:
    assert [one.id for one in exposures(known_advisories(), Server(version, "text-generation"))] == want


@pytest.mark.parametrize("flag", sorted({flag for one in known_advisories() for flag in one.flags}))
def test_dangerous_flags_are_not_passed_on_or_are_seen(flag: str) -> None:
    kept, overridden = overridden_args([flag])
    assert overridden == [flag] or kept == [flag] == ["--speculative-config"]


@pytest.mark.parametrize("name", sorted({name for one in known_advisories() for name in one.variables}))
def test_dangerous_variables_are_not_passed_on(name: str) -> None:
    assert is_our_variable(name)


# -- what the policy says about it


def test_the_policy_adds_replaces_and_leaves_out() -> None:
    replaced = an_advisory("CVE-2026-114051", severity="Low")
    policy = Policy(advisories=[an_advisory(), replaced], ignored_advisories=["CVE-2026-115911"])
    found = {one.id: one for one in advisories_of(policy)}
    assert found["CVE-2027-1"] == an_advisory()
    assert found["CVE-2026-114051"] == replaced
    assert "CVE-2026-115911" not in found
    assert len(found) == len(known_advisories())


# -- which release an image holds


@pytest.mark.parametrize(
    ("image", "want"),
    [
        pytest.param("docker.io/vllm/vllm-openai:v0.32.0", "0.32.0", id="upstream"),
        pytest.param("docker.io/vllm/vllm-openai-cpu:v0.32.0-x86_64", "0.32.0", id="with an architecture"),
        pytest.param("registry:5000/vllm:0.9.2", "0.9.2", id="a port and no v"),
        pytest.param("vllm:v0.11.0rc2", "0.11.0rc2", id="a candidate"),
        pytest.param("vllm:v0.32.0@sha256:00", "0.32.0", id="tag and digest"),
        pytest.param("vllm@sha256:00", None, id="a digest alone"),
        pytest.param("registry:5000/vllm", None, id="neither, behind a port"),
        pytest.param("vllm:latest", None, id="latest"),
        pytest.param("vllm:nightly-0.32.0", None, id="not at the beginning"),
        pytest.param("own:1", None, id="a number of somebody's own"),
    ],
)
def test_the_release_of_an_image(image: str, want: str | None) -> None:
    assert version_of_image(image) == want
