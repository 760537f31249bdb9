"""The images of the local cluster, built and kept without a container engine and without a registry."""

from tests.cluster.images.operator import OPERATOR_IMAGE, operator_image
from tests.cluster.images.site_packages import vllm_site_packages
from tests.cluster.images.vllm_cpu import VLLM_CPU_IMAGE, vllm_cpu_image

__all__ = ["OPERATOR_IMAGE", "VLLM_CPU_IMAGE", "operator_image", "vllm_cpu_image", "vllm_site_packages"]
