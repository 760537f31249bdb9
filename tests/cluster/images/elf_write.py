"""Writes an ELF shared object for x86-64 whose functions all stop the process.

No compiler is needed, and the result is the same on every machine.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

PAGE = 0x1000
HEADER_BYTES, PROGRAM_HEADER_BYTES = 64, 56
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474E551
PF_X, PF_W, PF_R = 1, 2, 4
DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_SONAME, DT_RPATH = (
    0,
    1,
    4,
    5,
    6,
    10,
    11,
    14,
    15,
)
GLOBAL_FUNCTION = (1 << 4) | 2
STOP = b"\x0f\x0b"
"""The instruction ud2: whoever calls in here ends with SIGILL instead of going on with nonsense."""


@dataclass(frozen=True, slots=True)
class _Strings:
    blob: bytes
    offsets: dict[str, int]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "_Strings":
        blob, offsets = bytearray(b"\0"), {}
        for text in texts:
            offsets[text] = len(blob)
            blob += text.encode() + b"\0"
        return cls(bytes(blob), offsets)


def stopping_library(soname: str, *, functions: Sequence[str] = (), needed: Sequence[str] = ()) -> bytes:
    """Return a shared object of that name that defines these functions and loads the needed libraries beside it."""
    strings = _Strings.of([soname, "$ORIGIN", *needed, *functions])
    start = HEADER_BYTES + 4 * PROGRAM_HEADER_BYTES
    symbols_at = start + len(STOP) + -len(STOP) % 8
    hash_at = symbols_at + 24 * (len(functions) + 1)
    hash_table = _hash_table(functions)
    strings_at = hash_at + len(hash_table)
    code_end = strings_at + len(strings.blob)
    dynamic_at = code_end + -code_end % PAGE
    tags = [(DT_NEEDED, strings.offsets[one]) for one in needed]
    tags += [(DT_SONAME, strings.offsets[soname]), (DT_RPATH, strings.offsets["$ORIGIN"]), (DT_HASH, hash_at)]
    tags += [(DT_STRTAB, strings_at), (DT_SYMTAB, symbols_at), (DT_STRSZ, len(strings.blob)), (DT_SYMENT, 24)]
    dynamic = b"".join(struct.pack("<qQ", tag, value) for tag, value in [*tags, (DT_NULL, 0)])
    symbols = bytes(24) + b"".join(_symbol(strings.offsets[one], start) for one in functions)
    body = STOP + bytes(-len(STOP) % 8) + symbols + hash_table + strings.blob + bytes(dynamic_at - code_end)
    return _headers(code_end=code_end, dynamic_at=dynamic_at, dynamic_bytes=len(dynamic)) + body + dynamic


def _symbol(name: int, address: int) -> bytes:
    # Section 1 does not exist; the loader only asks whether it is another one than 0, "undefined".
    return struct.pack("<IBBHQQ", name, GLOBAL_FUNCTION, 0, 1, address, len(STOP))


def _hash_table(functions: Sequence[str]) -> bytes:
    buckets = [0] * max(1, len(functions))
    chain = [0] * (len(functions) + 1)
    for index, name in enumerate(functions, start=1):
        bucket = system_v_hash(name) % len(buckets)
        chain[index], buckets[bucket] = buckets[bucket], index
    table = struct.pack(f"<II{len(buckets)}I{len(chain)}I", len(buckets), len(chain), *buckets, *chain)
    return table + bytes(-len(table) % 8)


def system_v_hash(name: str) -> int:
    """Return the hash of a symbol's name as the ELF specification defines it."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high
    return value & 0xFFFFFFFF


def _headers(*, code_end: int, dynamic_at: int, dynamic_bytes: int) -> bytes:
    elf = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf += struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, HEADER_BYTES, 0, 0, HEADER_BYTES, PROGRAM_HEADER_BYTES, 4, 64, 0, 0
    )
    elf += _program_header(PT_LOAD, PF_R | PF_X, 0, code_end, align=PAGE)
    # Writable, because the loader turns the offsets in this table into addresses.
    elf += _program_header(PT_LOAD, PF_R | PF_W, dynamic_at, dynamic_bytes, align=PAGE)
    elf += _program_header(PT_DYNAMIC, PF_R | PF_W, dynamic_at, dynamic_bytes, align=8)
    # Without this header the loader would make every stack of the process executable.
    return elf + _program_header(PT_GNU_STACK, PF_R | PF_W, 0, 0, align=16)


def _program_header(kind: int, flags: int, offset: int, size: int, *, align: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, align)
