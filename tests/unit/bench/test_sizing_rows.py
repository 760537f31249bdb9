"""How the free text of logged starts becomes requests: this decides the figures of the bench."""

import pytest

from bench.sizing.compare import Compared, served, with_step
from bench.sizing.configs import declared_scheme, find_config
from bench.sizing.peers import PEERS, Start
from bench.sizing.report import errors, judged_rows, quantile
from bench.sizing.rows import Logged, Row, is_old, read_release, read_row, read_total
from genmodel_operator.sizing.estimate.result import Estimate

EMPTY = {
    "id": "gt000", "model": "Qwen/Qwen3-8B", "params_b": "8.19", "dtype_or_quant": "bf16", "vllm_version": "0.19.0",
    "gpu": "H100 80GB, 79.19 GiB", "tp": "1", "pp": "1", "gpu_memory_utilization": "0.95", "max_model_len": "8192",
    "max_num_seqs": "", "model_load_gib_per_gpu": "", "activation_peak_gib": "", "non_torch_gib": "",
    "cuda_graph_gib": "", "kv_cache_gib": "", "kv_tokens": "", "outcome": "ok", "source": "", "note": "",
}  # fmt: skip


def row_of(**changes: str) -> Row:
    return read_row({**EMPTY, **changes})


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("0.19.0", ("0.19.0", False), id="a release"),
        pytest.param("0.10.1.1 (V1)", ("0.10.1.1", False), id="with its engine"),
        pytest.param("0.20.2rc1.dev129", ("0.20.2rc1.dev129", False), id="a build"),
        pytest.param("0.22-dev", ("0.22.dev0", False), id="on the way to a release"),
        pytest.param("0.25-0.26", ("0.25", True), id="a range"),
        pytest.param("0.27+ ROCm", ("0.27", True), id="from a release on"),
        pytest.param(">=0.24", ("0.24", True), id="at least"),
        pytest.param("0.19.x", ("0.19", True), id="any patch"),
        pytest.param("<0.21 (V1)", ("0.20.0", True), id="before a release"),
        pytest.param("V1", (None, True), id="only the engine"),
        pytest.param("", (None, True), id="nothing"),
    ],
)
def test_releases(text: str, want: tuple[str | None, bool]) -> None:
    assert read_release(text) == want


@pytest.mark.parametrize(
    ("text", "want"), [("0.8.5 (V0)", True), ("0.7.3", True), ("vllm-ascend", True), ("0.8.5", False), ("V1", False)]
)
def test_what_is_out_of_scope(text: str, want: bool) -> None:
    assert is_old(text, read_release(text)[0]) is want


@pytest.mark.parametrize(
    ("gpu", "want"),
    [
        pytest.param("H100 80GB, 79.19 GiB", (79.19, False), id="logged"),
        pytest.param("24GB NVIDIA, 24.0 GiB (Windows)", (24.0, False), id="logged with a remark"),
        pytest.param("RTX PRO 6000 Max-Q, 95.59 GiB (nvidia-smi)", (94.97, True), id="what torch does not see"),
        pytest.param("A10 24GB", (22.07, True), id="usual"),
        pytest.param("RTX 5070 Ti 16GB + RTX 5090 D 32GB", (15.5, True), id="the smaller of two"),
        pytest.param("unknown", (None, True), id="unknown"),
    ],
)
def test_totals(gpu: str, want: tuple[float | None, bool]) -> None:
    assert read_total(gpu) == want


@pytest.mark.parametrize(
    ("note", "name", "want"),
    [
        pytest.param("kv fp8; later failed", "kv_cache_dtype", "fp8", id="fp8 cache"),
        pytest.param("kv fp8_e5m2; mtp", "kv_cache_dtype", "fp8_e5m2", id="another fp8"),
        pytest.param("nvfp4 KV; mtp 2", "kv_cache_dtype", "nvfp4", id="nvfp4 cache"),
        pytest.param("fp8_ds_mla; tokens rounded", "kv_cache_dtype", "fp8_ds_mla", id="MLA's own"),
        pytest.param("", "kv_cache_dtype", None, id="no word on the cache"),
        pytest.param("block-size 128; x", "block_size", 128, id="block size"),
        pytest.param("max_num_batched_tokens 2048", "max_num_batched_tokens", 2048, id="tokens"),
        pytest.param("--max-num-batched-tokens 1024", "max_num_batched_tokens", 1024, id="tokens as a flag"),
        pytest.param("max_num_seqs 1024 exceeds", "max_num_seqs", 1024, id="requests"),
        pytest.param("V1 eager; dummy", "enforce_eager", True, id="eager"),
        pytest.param("enforce_eager, Ray", "enforce_eager", True, id="eager as a flag"),
        pytest.param("EP enabled; x", "enable_expert_parallel", True, id="experts"),
        pytest.param("DP2+EP2; x", "enable_expert_parallel", True, id="experts over replicas"),
        pytest.param("DP2+EP2; x", "data_parallel_size", 2, id="replicas"),
        pytest.param("slept deeply", "enable_expert_parallel", False, id="no experts in other words"),
        pytest.param("mtp speculative 3", "num_speculative_tokens", 3, id="three drafts"),
        pytest.param("kv fp8; mtp", "num_speculative_tokens", 1, id="drafting"),
        pytest.param("prefix caching on, no MTP (411 blocks)", "num_speculative_tokens", 0, id="no drafting"),
        pytest.param("prefix caching on", "enable_prefix_caching", True, id="prefix caching"),
    ],
)
def test_notes(note: str, name: str, want: object) -> None:
    request = row_of(note=note).request
    assert request is not None
    assert request[name] == want


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param({}, ("max_num_seqs", "max_num_batched_tokens"), id="neither limit"),
        pytest.param({"note": "api-server defaults: max_num_batched_tokens 8192"}, (), id="defaults are said"),
        pytest.param({"gpu": "L40S", "note": "defaults"}, ("device total",), id="no total"),
        pytest.param({"tp": "", "note": "defaults"}, ("tensor_parallel_size",), id="no tensor parallel size"),
        pytest.param({"vllm_version": "0.27+", "note": "defaults"}, ("vllm_version",), id="a range"),
        pytest.param({"max_model_len": "", "note": "defaults"}, ("max_model_len",), id="no length"),
        pytest.param(
            {
                "model_load_gib_per_gpu": "15", "activation_peak_gib": "2", "non_torch_gib": "0.25",
                "kv_cache_gib": "53", "note": "defaults",
            },
            ("gpu_memory_utilization (the logged parts do not add up to it)",),
            id="a row that contradicts itself",
        ),
    ],
)  # fmt: skip
def test_open_inputs(changes: dict[str, str], want: tuple[str, ...]) -> None:
    assert row_of(**changes).open_inputs == want


@pytest.mark.parametrize(
    ("changes", "want_length", "want_any"),
    [
        pytest.param({}, 8192, False, id="stated"),
        pytest.param({"note": "max-model-len auto, native 40960 did not fit"}, None, True, id="the engine chose it"),
        pytest.param({"note": "max_model_len -1"}, None, True, id="the engine chose it, as a number"),
        pytest.param({"max_model_len": ""}, None, True, id="not stated"),
    ],
)
def test_lengths(changes: dict[str, str], want_length: int | None, want_any: bool) -> None:
    row = row_of(**changes)
    assert row.request is not None
    assert (row.request["max_model_len"], row.any_length) == (want_length, want_any)


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param({"tp": "4"}, 4, id="stated"),
        pytest.param({"tp": "", "note": "TP>=3 (Worker_TP2 present)"}, 4, id="at least three"),
        pytest.param({"tp": "", "note": "TP>=2"}, 2, id="at least two"),
        pytest.param({"tp": ""}, 1, id="not stated"),
    ],
)
def test_tensor_parallel_sizes(changes: dict[str, str], want: int) -> None:
    request = row_of(**changes).request
    assert request is not None
    assert request["tensor_parallel_size"] == want


def test_the_longest_length_that_fits_is_asked_for() -> None:
    request = row_of(gpu="L4, 22.0 GiB", max_model_len="", gpu_memory_utilization="0.9", note="defaults").request
    assert request is not None
    refused, answer = served(request, any_length=False), served(request, any_length=True)
    assert isinstance(refused, Estimate)
    assert isinstance(answer, Estimate)
    assert (refused.verdict.reason, answer.verdict.starts) == ("KVCacheTooSmall", True)


@pytest.mark.parametrize(
    ("needed", "want_step"),
    [pytest.param("6.66", 16384, id="of the LLM class"), pytest.param("3.40", None, id="of the server")],
)
def test_the_logged_need_tells_the_step(needed: str, want_step: int | None) -> None:
    row = row_of(
        model="deepseek-ai/DeepSeek-V4-Flash", dtype_or_quant="fp8", vllm_version="0.22", gpu="GH200 96GB", tp="2",
        max_model_len="30000", note=f"EP enabled; block-size 256; kv fp8; {needed} GiB needed",
    )  # fmt: skip
    assert with_step(row)["max_num_batched_tokens"] == want_step


def test_a_row_without_a_logged_need_keeps_its_request() -> None:
    row = row_of()
    assert with_step(row) is row.request


def test_a_first_stages_figures_are_not_those_of_the_smallest_rank() -> None:
    logged = row_of(kv_cache_gib="66.54", note="rank0 (stage 0)", kv_tokens="5").logged
    assert (logged.kv_cache_gib, logged.kv_tokens) == (None, 5)


@pytest.mark.parametrize(
    ("model", "scheme", "want_exact", "want_method"),
    [
        pytest.param("Qwen/Qwen3-8B", "bf16", True, None, id="its own"),
        pytest.param("meta-llama/Llama-3.1-8B", "bf16", True, None, id="another publisher's name"),
        pytest.param(
            "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "fp8-dynamic (x)", True, "compressed-tensors", id="fp8"
        ),
        pytest.param("x/Qwen2.5-7B-Instruct-quantized.w8a8", "w8a8-int8", True, "compressed-tensors", id="int8"),
        pytest.param("Qwen/Qwen3-30B-A3B-Instruct-2507", "bf16", True, None, id="from the FP8 build"),
        pytest.param("google/gemma-2-9b-it", "bf16", False, None, id="from memory"),
        pytest.param("Qwen/Qwen3-8B-AWQ", "awq int4", True, "awq", id="a build, with the sizes of its model"),
        pytest.param("deepseek-ai/DeepSeek-V4-Flash-0731", "fp8", True, "fp8", id="a later revision"),
    ],
)
def test_configs(model: str, scheme: str, want_exact: bool, want_method: str | None) -> None:
    known = find_config(model, scheme)
    assert known is not None
    assert known.exact is want_exact
    assert (known.config.get("quantization_config") or {}).get("quant_method") == want_method


@pytest.mark.parametrize("model", ["acme/unknown", "small model (1.95 GiB load)", ""])
def test_no_config(model: str) -> None:
    assert find_config(model, "bf16") is None
    assert declared_scheme("exl3") is None


def test_nested_configs_are_put_back() -> None:
    known = find_config("Qwen/Qwen3.5-27B", "bf16")
    assert known is not None
    assert known.config["text_config"]["model_type"] == "qwen3_5_text"
    assert known.config["vision_config"]["depth"] == 27
    assert not {"repo_id", "nested_under", "source", "hidden_size"} & set(known.config)


def test_peers() -> None:
    start = Start(
        weights_gib=15.0, total_gib=79.19, catalogue_gib=80.0, utilization=0.95, tensor_parallel=1,
        is_mixture=False, family="llama",
    )  # fmt: skip
    got = {name: round(formula(start), 2) for name, formula in PEERS.items()}
    assert got == {"KAITO": 57.64, "llm-d-planner": 56.05, "GPUStack": 55.23, "hf-mem": 64.19}


def compared(error: float | None, **changes: str) -> Compared:
    return Compared(row=row_of(**changes), weights=error, kv_gib=error, verdict=error is not None and error < 1)


def test_errors_are_absolute_and_of_rows_with_all_inputs() -> None:
    rows = [compared(-0.5, note="defaults"), compared(0.25, note="defaults"), compared(9.0), compared(None)]
    assert [error for error, _ in errors(rows, "KV cache")] == [0.25, 0.5]
    assert [error for error, _ in errors(rows, "weights")] == [0.25, 0.5, 9.0]
    assert [error for error, _ in errors(rows, "KV cache", wants_known=False)] == [9.0]


def test_starts_and_refusals_are_told_apart() -> None:
    refused = compared(0.0, outcome="invalid_tp")
    started = compared(5.0, note="defaults")
    assert judged_rows([refused, started], started=False, wants_known=True) == [refused]
    assert judged_rows([refused, started], started=True, wants_known=True) == [started]


@pytest.mark.parametrize(
    ("count", "share", "want"), [(1, 0.5, 0), (10, 0.5, 4), (10, 0.9, 8), (37, 0.9, 33), (4, 1.0, 3)]
)
def test_quantile(count: int, share: float, want: float) -> None:
    assert quantile([(float(value), "") for value in range(count)], share) == want


def test_logged_figures_are_optional() -> None:
    assert row_of().logged == Logged(
        weights_gib=None, activation_gib=None, non_torch_gib=None, kv_cache_gib=None, kv_tokens=None, outcome="ok"
    )
