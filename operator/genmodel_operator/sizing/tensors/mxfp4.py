"""Experts in MXFP4 as the engine's kernels keep them: their sides rounded up, their scales often twice.

Read in the engine's sources (0.11, 0.15, 0.17, 0.19, 0.24, 0.28, 0.32) and checked against logged
starts: gpt-oss-120b on one H100 takes 64.38 GiB with Triton, which keeps two sets of scales, and
65.97 GiB with Marlin, which makes 2880 x 2880 to 3072 x 2944.
"""

from dataclasses import dataclass, replace

from genmodel_operator.sizing.shape.model import Mixture
from genmodel_operator.sizing.tensors.model import Layout, Part

_GROUP = 32


@dataclass(frozen=True, slots=True)
class KernelForm:
    """What a kernel makes of the experts.

    Attributes:
        width, outer: multiples that the sides of an expert are rounded up to when they are created.
        values: multiples of the rows and of the bytes of a row of packed weights.
        scales: multiples of the rows and groups of the kernel's own order of scales; None: as stored.
        keeps_scales: the stored scales stay beside them.
        bias_bytes: of an element of a bias.

    """

    width: int
    outer: int
    values: tuple[int, int] = (1, 1)
    scales: tuple[int, int] | None = None
    keeps_scales: bool = False
    bias_bytes: int = 4


_MARLIN = KernelForm(width=128, outer=256, bias_bytes=2)
_TENSORRT = KernelForm(width=128, outer=256, bias_bytes=4)
_HOPPER = KernelForm(width=64, outer=1, scales=(256, 2), keeps_scales=True)
_BLACKWELL = KernelForm(width=64, outer=1, values=(1, 128), scales=(128, 8), keeps_scales=True)


def kernel_form(engine: tuple[int, int], capability: tuple[int, int] | None) -> KernelForm:
    """Return what a release makes of the experts on a device; on Hopper where the device is not known."""
    major = capability[0] if capability is not None else 9
    if major == 10:
        return _TENSORRT if engine >= (0, 28) else replace(_TENSORRT, width=256)
    if major < 9 or engine < (0, 11):
        return _MARLIN
    if major > 10:
        return _MARLIN if engine >= (0, 32) else _BLACKWELL
    if engine >= (0, 28):
        return replace(_HOPPER, scales=(256, 4), keeps_scales=False)
    return replace(_HOPPER, values=(64, 64)) if (0, 17) <= engine < (0, 24) else _HOPPER


@dataclass(frozen=True, slots=True)
class KernelExperts:
    """The experts of one layer in the form of a kernel; ``outer`` is the width that they read and write."""

    mixture: Mixture
    outer: int
    form: KernelForm

    @property
    def part(self) -> Part:
        """What they belong to."""
        return Part.EXPERTS

    def blocks(self, layout: Layout) -> dict[str, int]:
        """Return the bytes of each tensor that one device keeps."""
        devices = layout.tensor_parallel * layout.data_parallel
        experts, width = self.mixture.experts, self.mixture.intermediate
        if layout.expert_parallel:
            experts = -(-experts // devices)
        else:
            width = -(-width // devices)
        width, outer = _up(width, self.form.width), _up(self.outer, self.form.outer)
        up = (2 if self.mixture.gated else 1) * width
        made = {**self._matrix("gate_up", up, outer), **self._matrix("down", outer, width)}
        if self.mixture.bias:
            made |= {"gate_up.bias": self.form.bias_bytes * up, "down.bias": self.form.bias_bytes * outer}
        return {name: experts * size for name, size in made.items()}

    def _matrix(self, name: str, outputs: int, inputs: int) -> dict[str, int]:
        """Return values and scales of one matrix of one expert."""
        form, groups = self.form, inputs // _GROUP
        made = {f"experts.{name}": _up(outputs, form.values[0]) * _up(inputs // 2, form.values[1])}
        if form.scales is None or form.keeps_scales:
            made[f"experts.{name}.scales"] = outputs * groups
        if form.scales is not None:
            made[f"experts.{name}.ordered"] = _up(outputs, form.scales[0]) * _up(groups, form.scales[1])
        return made


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
