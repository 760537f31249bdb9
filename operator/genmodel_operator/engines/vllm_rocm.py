"""vLLM on AMD GPUs: the same command line as on NVIDIA's, in an image built for ROCm.

ROCm devices go by the names of CUDA in torch and vLLM, so flags and environment are the same.
"""

from genmodel_operator.engines.vllm import VllmGpu
from genmodel_operator.settings import Settings


class VllmRocm(VllmGpu):
    """vLLM on AMD GPUs."""

    def image(self, settings: Settings) -> str:
        """Return the image of vLLM for AMD GPUs; nothing is planned on them where the settings name none."""
        return settings.engines.rocm_image
