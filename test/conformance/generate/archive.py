"""Save a TorchScript module without paths of the machine that made it.

`torch.jit.save` writes a `.debug_pkl` record beside every source file, and these records contain absolute paths. `save`
lets PyTorch write the archive, then copies it entry by entry: compressed bytes stay as PyTorch wrote them, debug
records are dropped or have their paths replaced, and every entry keeps the 64-byte alignment PyTorch gives it.
"""

import os
import re
import struct
import sys
import sysconfig
import tempfile
import zipfile
import zlib

import torch

LOCAL, CENTRAL, END64, LOCATE64, END, DESCRIPTOR = (
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x05\x06",
    b"PK\x07\x08",
)
ALIGNMENT = 64
DESCRIPTOR_FLAG = 0x08
HERE = os.path.dirname(os.path.abspath(__file__))
WEIGHTS = re.compile(r"/(?:data|constants)/\d+$")
ABSOLUTE_PATH = re.compile(rb"/(?:home|root|tmp|opt|Users|var)/")


def machine_roots():
    """Folders of this machine that a debug record may contain, longest first, each with its replacement."""
    site = os.path.dirname(os.path.dirname(os.path.abspath(torch.__file__)))
    roots = {
        site: "/usr/lib/python3",
        sysconfig.get_paths()["stdlib"]: "/usr/lib/python",
        os.path.dirname(HERE): "/src",
        sys.prefix: "/usr",
        os.getcwd(): "/src",
    }
    return sorted(roots.items(), key=lambda pair: -len(pair[0]))


def neutral(record):
    """The record with every machine folder replaced by a neutral one of equal length, so pickled lengths stay true."""
    for folder, stand_in in machine_roots():
        padded = stand_in + "/_" * ((len(folder) - len(stand_in)) // 2)
        padded += "_" * (len(folder) - len(padded))
        record = record.replace(folder.encode(), padded[: len(folder)].encode())
    return record


def assert_neutral(name, record):
    """Raise ValueError if a record names a folder of this machine."""
    found = ABSOLUTE_PATH.search(record)
    named = [folder for folder, _ in machine_roots() if len(folder) > 4 and folder.encode() in record]
    if found or named:
        raise ValueError(f"{name} holds a machine path: {named or record[found.start() : found.start() + 60]}")


def save(module, path, debug="drop"):
    """Write `module` to `path`. `debug`: `drop` the debug records, or `keep` them with neutral paths."""
    with tempfile.TemporaryDirectory() as folder:
        draft = os.path.join(folder, os.path.basename(path))  # PyTorch names the archive's root folder after the file
        module.save(draft)
        with open(draft, "rb") as file:
            original = file.read()
        with zipfile.ZipFile(draft) as archive:
            entries = archive.infolist()
            records = {entry.filename: archive.read(entry) for entry in entries if not WEIGHTS.search(entry.filename)}
    with open(path, "wb") as file:
        file.write(copy_without_paths(original, entries, records, debug))


def copy_without_paths(original, entries, records, debug):
    """The bytes of the archive, copied entry by entry."""
    out, directory, count = bytearray(), bytearray(), 0
    for entry in entries:
        is_debug = entry.filename.endswith(".debug_pkl")
        if is_debug and debug == "drop":
            continue
        data, size, crc, name = stored_bytes(original, entry), entry.file_size, entry.CRC, entry.filename.encode()
        if is_debug:
            record = neutral(records[entry.filename])
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            data, crc = packer.compress(record) + packer.flush(), zlib.crc32(record)
            assert len(record) == size and entry.compress_type == zipfile.ZIP_DEFLATED
            assert_neutral(entry.filename, record)
        elif entry.filename in records:
            assert_neutral(entry.filename, records[entry.filename])
        at = len(out)
        padding = -(at + 30 + len(name) + 4) % ALIGNMENT
        extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        streamed = bool(entry.flag_bits & DESCRIPTOR_FLAG)
        sizes = (0, 0, 0) if streamed else (crc, len(data), size)
        common = struct.pack("<HHHH", entry.flag_bits, entry.compress_type, 0, 0)
        version = b"\x14\x00" if entry.compress_type else b"\x00\x00"
        out += LOCAL + version + common + struct.pack("<IIIHH", *sizes, len(name), len(extra)) + name + extra + data
        if streamed:
            out += DESCRIPTOR + struct.pack("<III", crc, len(data), size)
        directory += CENTRAL + b"\x00\x00" + version + common
        directory += struct.pack("<IIIHHHHHII", crc, len(data), size, len(name), 0, 0, 0, 0, 0, at) + name
        count += 1
    start, length = len(out), len(directory)
    end = END64 + struct.pack("<QHHIIQQQQ", 44, 0x31E, 45, 0, 0, count, count, length, start)
    end += LOCATE64 + struct.pack("<IQI", 0, start + length, 1)
    end += END + struct.pack("<HHHHIIH", 0, 0, count, count, length, start, 0)
    return bytes(out + directory + end)


def stored_bytes(original, entry):
    """The entry's bytes as stored in the archive; the local header's extra field differs from the directory's."""
    name_length, extra_length = struct.unpack_from("<HH", original, entry.header_offset + 26)
    start = entry.header_offset + 30 + name_length + extra_length
    return original[start : start + entry.compress_size]
