"""The segments of a written shared object, as the kernel and the loader read them."""

import struct

from tests.cluster.images.elf_write import PAGE, PT_DYNAMIC, PT_GNU_STACK, PT_LOAD, stopping_library


def program_headers(data: bytes) -> list[tuple[int, ...]]:
    (count,) = struct.unpack_from("<H", data, 56)
    return [struct.unpack_from("<IIQQQQQQ", data, 64 + 56 * index) for index in range(count)]


def test_every_segment_lies_within_the_file() -> None:
    data = stopping_library("libx.so.1", functions=["f", "g"], needed=["liby.so"])

    headers = program_headers(data)

    assert [header[0] for header in headers] == [PT_LOAD, PT_LOAD, PT_DYNAMIC, PT_GNU_STACK]
    assert all(offset + size <= len(data) for _, _, offset, _, _, size, _, _ in headers)
    assert headers[1][2] % PAGE == 0


def test_no_segment_is_both_writable_and_executable() -> None:
    headers = program_headers(stopping_library("libx.so.1", functions=["f"]))

    assert [header for header in headers if header[1] & 3 == 3] == []


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (stopping_library("libx.so.1", functions=["f", "g"]) for _ in range(2))

    assert first == second
