"""Stand-ins for CUDA libraries, loaded by the real loader in a process of its own."""

import platform
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_core import _pydantic_core

from tests.cluster.images.elf_read import SharedObject, read_shared_object
from tests.cluster.images.elf_write import stopping_library, system_v_hash
from tests.cluster.images.nvidia import absent_functions, absent_libraries, write_cuda_stand_ins

LOADS = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1])._name)"
FINDS = "import ctypes, sys; library = ctypes.CDLL(sys.argv[1]); [library[name] for name in sys.argv[2:]]; print('all')"
CALLS = "import ctypes, sys; ctypes.CDLL(sys.argv[1])[sys.argv[2]](); print('went on')"
FUNCTIONS = ("cublasCreate_v2", "ncclSend", *(f"cudnnFunction{index}" for index in range(200)))
on_x86 = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the stand-ins are for Linux on x86-64"
)


def process(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


NONE: frozenset[str] = frozenset()


def with_sections(library: bytes) -> bytes:
    """Add the table of sections, which wheels' libraries have and the loader does not need."""
    (dynamic_at,) = struct.unpack_from("<Q", library, 64 + 2 * 56 + 8)
    tags = dict(struct.iter_unpack("<qQ", library[dynamic_at:]))
    (_, symbols) = struct.unpack_from("<II", library, tags[4])
    rows = [(0, 0, 0, 0), (11, tags[6], 24 * symbols, 2), (3, tags[5], tags[10], 0)]
    rows.append((6, dynamic_at, len(library) - dynamic_at, 2))
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, at, size, link, 0, 0, 0) for kind, at, size, link in rows
    )
    head = library[:0x28] + struct.pack("<Q", len(library)) + library[0x30:0x3A] + struct.pack("<HH", 64, len(rows))
    return head + library[0x3E:] + table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    functions = stopping_library("libfunctions.so", functions=FUNCTIONS)
    (tmp_path / "libfunctions.so").write_bytes(functions)
    (tmp_path / "libcublas.so.13").write_bytes(stopping_library("libcublas.so.13", needed=["libfunctions.so"]))
    return tmp_path


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "libread.so"
    path.write_bytes(with_sections(stopping_library("libread.so", functions=FUNCTIONS, needed=["libother.so"])))
    assert read_shared_object(path) == SharedObject(frozenset({"libother.so"}), NONE, frozenset(FUNCTIONS))


@on_x86
def test_a_library_from_a_wheel_is_read() -> None:
    found = read_shared_object(Path(_pydantic_core.__file__))
    assert "PyInit__pydantic_core" in found.defined
    assert any(name.startswith("libc.") for name in found.needed)
    assert "PyErr_SetString" in found.undefined
    assert found.defined.isdisjoint(found.undefined)


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("#!/bin/sh\n")
    with pytest.raises(ValueError, match="no 64-bit little-endian ELF file"):
        read_shared_object(path)


@on_x86
def test_the_loader_finds_the_functions_through_the_library_that_needs_them(folder: Path) -> None:
    answer = process(FINDS, folder / "libcublas.so.13", *FUNCTIONS)
    assert (answer.stdout, answer.stderr) == ("all\n", "")


@on_x86
def test_a_function_that_is_not_there_is_not_found(folder: Path) -> None:
    assert "undefined symbol: cublasOther" in process(FINDS, folder / "libcublas.so.13", "cublasOther").stderr


@on_x86
@pytest.mark.parametrize("function", [FUNCTIONS[0], FUNCTIONS[1], FUNCTIONS[-1]])
def test_a_call_ends_the_process(folder: Path, function: str) -> None:
    answer = process(CALLS, folder / "libfunctions.so", function)
    assert answer.returncode == -signal.SIGILL
    assert answer.stdout == ""


@on_x86
def test_a_library_without_functions_loads(tmp_path: Path) -> None:
    (tmp_path / "libempty.so").write_bytes(stopping_library("libempty.so"))
    assert process(LOADS, tmp_path / "libempty.so").stdout == f"{tmp_path / 'libempty.so'}\n"


@pytest.mark.parametrize(
    ("name", "want"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("printf", 0x077905A6, id="a short name"),
        pytest.param("exit", 0x0006CF04, id="a shorter one"),
        pytest.param("flapenguin.me", 0x03987915, id="a name long enough to fold"),
    ],
)
def test_the_hash_is_that_of_the_specification(name: str, want: int) -> None:
    assert system_v_hash(name) == want


def test_only_cuda_libraries_that_are_not_there_are_stood_in_for() -> None:
    objects = [
        SharedObject(frozenset({"libcublas.so.13", "libcuda.so.1", "libc.so.6"}), NONE, NONE),
        SharedObject(frozenset({"libcudart.so.13", "libnccl.so.2"}), NONE, NONE),
    ]
    assert absent_libraries(objects, there={"libcudart.so.13"}) == ["libcublas.so.13", "libnccl.so.2"]


def test_only_cuda_functions_that_nothing_defines_are_stood_in_for() -> None:
    wants = SharedObject(NONE, frozenset({"cublasCreate_v2", "cudaMalloc", "malloc", "ncclSend"}), NONE)
    there = SharedObject(NONE, NONE, frozenset({"cudaMalloc"}))
    assert absent_functions([wants], there=[there]) == ["cublasCreate_v2", "ncclSend"]


@on_x86
def test_a_library_that_names_absent_ones_loads_beside_their_stand_ins(tmp_path: Path) -> None:
    library = tmp_path / "libtorch_cuda.so"
    absent = ["libcublas.so.13", "libnccl.so.2"]
    library.write_bytes(with_sections(stopping_library("libtorch_cuda.so", needed=absent)))
    assert "cannot open shared object file" in process(LOADS, library).stderr
    assert write_cuda_stand_ins(tmp_path, present=[]) == absent
    assert process(LOADS, library).stdout == f"{library}\n"
