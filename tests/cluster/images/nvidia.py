"""Stand-ins for the CUDA libraries that torch from PyPI names but never calls on a CPU.

The x86-64 wheel of torch on PyPI is the CUDA build. Its libraries name twelve libraries of NVIDIA's
packages, and the loader refuses to load torch unless each of them is there with every function it refers
to: 3.4 GiB of packages. Without a GPU only libcudart (asked for the number of devices) and libcupti (the
profiler) are ever called, so these two stay as they are. For each other one an empty library of that
name is written; all functions they should hold are in one more library, because the loader insists on
version names in a library that has the name that was asked for. A call into one ends the process.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.images.elf_read import SharedObject, read_shared_object
from tests.cluster.images.elf_write import stopping_library

CUDA_FUNCTION = re.compile(r"(cu|nccl|nvrtc|nvshmem|nvml)[A-Za-z]*\w*")
CUDA_LIBRARY = re.compile(r"lib(cu|nccl|nvrtc|nvshmem|nvJitLink|nvtx)\w*\.so\.\d+")
ALL_FUNCTIONS = "libgenmodel_cuda_absent.so"
DRIVER = "libcuda.so.1"
"""Part of the driver, never of a package: torch itself only looks for it at run time."""


def write_cuda_stand_ins(torch_libraries: Path, *, present: Iterable[Path]) -> list[str]:
    """Write the stand-ins beside torch's libraries and return the names of the libraries they stand for.

    `present` are the CUDA libraries that are really there.
    """
    real = {path.name: read_shared_object(path) for path in present}
    torch = {path.name: read_shared_object(path) for path in sorted(torch_libraries.glob("*.so*"))}
    libraries = absent_libraries(torch.values(), there={*torch, *real})
    functions = absent_functions(torch.values(), there=[*torch.values(), *real.values()])
    (torch_libraries / ALL_FUNCTIONS).write_bytes(stopping_library(ALL_FUNCTIONS, functions=functions))
    for name in libraries:
        (torch_libraries / name).write_bytes(stopping_library(name, needed=[ALL_FUNCTIONS]))
    return libraries


def absent_libraries(objects: Iterable[SharedObject], *, there: set[str]) -> list[str]:
    """Return the CUDA libraries that the objects need and that are not there."""
    needed = {name for one in objects for name in one.needed}
    return sorted(name for name in needed - there - {DRIVER} if CUDA_LIBRARY.fullmatch(name))


def absent_functions(objects: Iterable[SharedObject], *, there: Iterable[SharedObject]) -> list[str]:
    """Return the CUDA functions that the objects refer to and that nothing there defines."""
    defined = {name for one in there for name in one.defined}
    wanted = {name for one in objects for name in one.undefined}
    return sorted(name for name in wanted - defined if CUDA_FUNCTION.fullmatch(name))
