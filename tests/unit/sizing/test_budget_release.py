"""Releases and defaults."""

import pytest

from genmodel_operator.sizing.budget.defaults import (
    Batch,
    capture_sizes,
    default_memory_utilization,
    resolve_batch,
)
from genmodel_operator.sizing.budget.device import read_device
from genmodel_operator.sizing.budget.release import Release, parse_release
from genmodel_operator.sizing.shape.model import Unsizable

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("0.19.0", Release(0, 19, 0), id="a release"),
        pytest.param("v0.19.0", Release(0, 19, 0), id="with v"),
        pytest.param("0.19", Release(0, 19, 0), id="without patch"),
        pytest.param("0.8.5.post1", Release(0, 8, 5), id="a post release"),
        pytest.param("0.10.1.1", Release(0, 10, 1), id="four numbers"),
        pytest.param("0.11.0+cu128", Release(0, 11, 0), id="a local suffix"),
        pytest.param("0.20.2rc1", Release(0, 21), id="a candidate of main is nearly the next minor"),
        pytest.param("0.20.2rc1.dev129+g1a2b3c", Release(0, 21), id="a build of main"),
        pytest.param("0.27.0rc2", Release(0, 27), id="a candidate of a minor release"),
        pytest.param("1.2.3", Release(1, 2, 3), id="beyond 0.x"),
        pytest.param(" 0.19.0 ", Release(0, 19, 0), id="with spaces around"),
    ],
)
def test_releases(text: str, want: Release) -> None:
    assert parse_release(text) == want


@pytest.mark.parametrize(
    "text", ["", "latest", "nightly", "0", "0.19.x", "0.7.3", "-1.2", "0." + "9" * 50, "0.19.0; rm"]
)
def test_what_is_no_known_release(text: str) -> None:
    with pytest.raises(Unsizable) as refused:
        parse_release(text)
    assert refused.value.reason == "UnsupportedVersion"
    assert "vllm_version" in refused.value.message


def test_since_compares_the_patch_too() -> None:
    assert parse_release("0.9.2").since(9, 2)
    assert not parse_release("0.9.1").since(9, 2)
    assert parse_release("1.0.0").since(32)


@pytest.mark.parametrize(("version", "want"), [("0.20.2", 0.90), ("0.21.0", 0.92), ("0.32.0", 0.92)])
def test_utilisation(version: str, want: float) -> None:
    assert default_memory_utilization(parse_release(version)) == want


@pytest.mark.parametrize(
    ("version", "product", "total", "want"),
    [
        pytest.param("0.19.0", "NVIDIA-H100-80GB-HBM3", 79.19, Batch(1024, 8192), id="H100"),
        pytest.param("0.19.0", "NVIDIA-L4", 22.03, Batch(256, 2048), id="a small card"),
        pytest.param("0.19.0", "NVIDIA-A100-SXM4-80GB", 79.25, Batch(256, 2048), id="A100 is left out"),
        pytest.param("0.8.5", "NVIDIA-A100-SXM4-80GB", 79.25, Batch(1024, 8192), id="A100 before 0.9"),
        pytest.param("0.8.5", "NVIDIA-L4", 22.03, Batch(1024, 2048), id="0.8: 1024 requests everywhere"),
        pytest.param("0.19.0", "NVIDIA-B200", 178.3, Batch(1024, 8192), id="B200 before the larger default"),
        pytest.param("0.32.0", "NVIDIA-B200", 178.3, Batch(1024, 16384), id="B200 with the larger default"),
        pytest.param(
            "0.32.0", "something unknown", 79.19, Batch(1024, 8192), id="an unknown product goes by its memory"
        ),
    ],
)
def test_default_batch(version: str, product: str, total: float, want: Batch) -> None:
    device = read_device(product, int(total * GIB))
    got = resolve_batch(
        device, parse_release(version), max_model_len=8192, max_num_seqs=None, max_num_batched_tokens=None
    )
    assert got == want


def test_given_limits_stay() -> None:
    device = read_device("NVIDIA-L4", 22 * GIB)
    release = parse_release("0.19.0")
    got = resolve_batch(device, release, max_model_len=128, max_num_seqs=3, max_num_batched_tokens=5)
    assert got == Batch(3, 5)


def test_defaults_bound_each_other() -> None:
    device = read_device("NVIDIA-L4", 22 * GIB)
    release = parse_release("0.19.0")
    few = resolve_batch(device, release, max_model_len=128, max_num_seqs=2, max_num_batched_tokens=None)
    assert few == Batch(2, 256)
    small = resolve_batch(device, release, max_model_len=4096, max_num_seqs=None, max_num_batched_tokens=64)
    assert small == Batch(64, 64)


@pytest.mark.parametrize(
    ("batch", "want"),
    [
        pytest.param(Batch(1024, 8192), 51, id="to 512"),
        pytest.param(Batch(128, 2048), 35, id="to 256"),
        pytest.param(Batch(8, 2048), 5, id="to 16"),
        pytest.param(Batch(1, 2048), 2, id="one request"),
        pytest.param(Batch(1024, 4), 3, id="no more than a step has tokens"),
    ],
)
def test_capture_sizes(batch: Batch, want: int) -> None:
    assert capture_sizes(batch) == want
