"""vLLM on AMD GPUs: another image, the same command line."""

from genmodel_operator.engines import engine_for
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.settings import EngineSettings, Settings
from tests.builders import a_cpu_plan, a_gpu_plan, some_facts

SETTINGS = Settings(engines=EngineSettings(rocm_image="docker.io/vllm/vllm-openai-rocm:v0.32.0"))
AMD_PLAN = a_gpu_plan(resource="amd.com/gpu", product="AMD_Instinct_MI300X_OAM")


def test_the_image_follows_the_devices() -> None:
    engines = SETTINGS.engines
    assert engine_for(AMD_PLAN).image(SETTINGS) == engines.rocm_image
    assert engine_for(a_gpu_plan()).image(SETTINGS) == engines.gpu_image
    assert engine_for(a_gpu_plan(resource="nvidia.com/mig-3g.20gb")).image(SETTINGS) == engines.gpu_image
    assert engine_for(a_cpu_plan()).image(SETTINGS) == engines.cpu_image


def test_command_line_and_environment_are_those_of_other_gpus() -> None:
    facts, amd, nvidia = some_facts(), engine_for(AMD_PLAN), engine_for(a_gpu_plan())
    assert amd.args(facts, AMD_PLAN, ("m",), task=ServedTask.GENERATE) == nvidia.args(
        facts, a_gpu_plan(), ("m",), task=ServedTask.GENERATE
    )
    assert amd.env(facts, AMD_PLAN, SETTINGS) == nvidia.env(facts, a_gpu_plan(), SETTINGS)
    assert (amd.name, amd.supports(facts)) == (nvidia.name, None)
