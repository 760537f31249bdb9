"""A model of a type that the engine does not know, served by the real vLLM with the code that its repository brings."""

import json
from pathlib import Path

import pytest

from genmodel_operator.engines.vllm import code_args
from genmodel_operator.hub.remote_code import naming_file
from genmodel_runtime.selection import wanted_paths
from tests.builders import some_facts
from tests.fakes.hub_models import as_json, llama_files
from tests.real_engine import CONFIG, serving

pytestmark = [pytest.mark.engine, pytest.mark.soak, pytest.mark.timeout(600)]

OWN = {**CONFIG, "model_type": "own_llama", "auto_map": {"AutoConfig": "configuration_own.OwnConfig"}}
CODE = b"""
from transformers import LlamaConfig
from .names import OWN

class OwnConfig(LlamaConfig):
    model_type = OWN
"""


def test_what_is_fetched_and_rendered_serves_a_model_with_code_of_its_own(tmp_path: Path, site_packages: Path) -> None:
    files = {
        **llama_files(CONFIG),
        "config.json": as_json(OWN),
        "configuration_own.py": CODE,
        "names.py": b'OWN = "own_llama"\n',
    }
    named_by = naming_file({"config.json": OWN})
    model = tmp_path / "model"
    model.mkdir()
    for path in wanted_paths(list(files), allow_remote_code=bool(named_by)):
        (model / path).write_bytes(files[path])
    arguments = ("--enforce-eager", *code_args(some_facts(remote_code=named_by)))
    with serving(tmp_path / "pod", site_packages, *arguments, model=model) as server:
        server.wait_until_ready()
        asked = {"model": "tiny", "prompt": "a", "max_tokens": 4, "ignore_eos": True}
        with server.asked("/v1/completions", asked) as response:
            assert response.status == 200
            assert json.loads(response.read())["usage"]["completion_tokens"] == 4
