"""Reads from an ELF shared object what it needs, so that stand-ins for what is missing can be written.

Only 64-bit little-endian objects, which is what the wheels for x86-64 and arm64 hold.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHT_DYNAMIC, SHT_DYNSYM = 6, 11
DT_NEEDED = 1
STB_WEAK = 2
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
DYNAMIC = struct.Struct("<qQ")


@dataclass(frozen=True, slots=True)
class SharedObject:
    """The names that tie a shared object to others; weak references are left out, they may stay undefined."""

    needed: frozenset[str]
    undefined: frozenset[str]
    defined: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int


def read_shared_object(path: Path) -> SharedObject:
    """Return the dynamic names of an ELF file; ValueError if it is none of 64-bit little-endian."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is no 64-bit little-endian ELF file")
    sections = _sections(data)
    undefined: set[str] = set()
    defined: set[str] = set()
    for name, is_defined, is_weak in _symbols(data, sections):
        if is_defined:
            defined.add(name)
        elif not is_weak:
            undefined.add(name)
    return SharedObject(frozenset(_needed(data, sections)), frozenset(undefined), frozenset(defined))


def _sections(data: bytes) -> list[_Section]:
    (table,) = struct.unpack_from("<Q", data, 0x28)
    entry_size, count = struct.unpack_from("<HH", data, 0x3A)
    found = []
    for index in range(count):
        _, kind, _, _, offset, size, link, _, _, _ = SECTION.unpack_from(data, table + index * entry_size)
        found.append(_Section(kind, offset, size, link))
    return found


def _symbols(data: bytes, sections: list[_Section]) -> Iterator[tuple[str, bool, bool]]:
    for section in (one for one in sections if one.kind == SHT_DYNSYM):
        names = sections[section.link].offset
        # The first entry of a symbol table is always the empty one.
        for offset in range(section.offset + SYMBOL.size, section.offset + section.size, SYMBOL.size):
            name, info, _, index, _, _ = SYMBOL.unpack_from(data, offset)
            yield _text(data, names + name), index != 0, info >> 4 == STB_WEAK


def _needed(data: bytes, sections: list[_Section]) -> Iterator[str]:
    for section in (one for one in sections if one.kind == SHT_DYNAMIC):
        names = sections[section.link].offset
        for offset in range(section.offset, section.offset + section.size, DYNAMIC.size):
            tag, value = DYNAMIC.unpack_from(data, offset)
            if tag == DT_NEEDED:
                yield _text(data, names + value)


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()
