"""The bytes of a scan's file: read once, hashed, decompressed and checked to the last of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dawson.core.errors import AccessError, InputError

GZIP_MAGIC = b"\x1f\x8b"
DICOM_MAGIC = b"DICM"  # at byte 128 of every DICOM file

DEFLATE_RATIO = 1032  # deflate never makes data smaller than 1/1032 (zlib, "Technical Details")
PADDING = 4096  # bytes after the last voxel that pass as padding: one disk block
CHUNK = 1 << 20

COPY_AGAIN = "copy, download or export the file again"
TO_NIFTI = "convert its series to NIfTI first, for example with dcm2niix"


@dataclass(frozen=True, eq=False)
class ScanFile:
    """The content of an open file, decompressed where it is gzip.

    ``capacity`` is the most bytes that the content can have, known before anything is decompressed, so
    that a header that promises more is refused before memory is taken for it.
    """

    file: Path
    stream: io.BufferedIOBase
    capacity: int
    _hash: Any

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer where the content ends before."""
        return self.stream.read(count)

    def fill(self, count: int) -> tuple[NDArray[np.uint8], int]:
        """The next ``count`` bytes as an array of uint8, and how many of them there really were."""
        buffer = np.empty(count, dtype=np.uint8)
        view = buffer.data
        done = 0
        while done < count and (chunk := self.stream.read(min(CHUNK, count - done))):
            view[done : done + len(chunk)] = chunk
            done += len(chunk)
        return buffer, done

    def finish(self, limit: int = PADDING) -> tuple[str, int]:
        """Read on to the end; return the SHA-256 of the file as it lies on disk and the bytes left over.

        Only this proves a gzip file whole: its checksum and length stand in the last eight bytes. Reading
        stops beyond ``limit`` bytes, when the file is not going to be used anyway.
        """
        left = 0
        while left <= limit and (chunk := self.stream.read(PADDING)):
            left += len(chunk)
        return self._hash.hexdigest(), left


class _HashedFile(io.RawIOBase):
    """A file whose bytes enter a hash as they are read."""

    def __init__(self, raw: BinaryIO, digest: Any) -> None:
        self._raw = raw
        self.hash = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.hash.update(data)
        return len(data)


@contextmanager
def open_source(file: Path, *, after: ScanFile | None = None) -> Iterator[ScanFile]:
    """Open ``file`` for one pass from its first byte to its last; its hash goes on from that of ``after``.

    Whether it is compressed is told by its content, since browsers and scripts rename .nii and .nii.gz
    freely. Raises :class:`InputError`, also while the caller reads, where the file cannot be read, is
    DICOM, or its gzip data is damaged or cut short.
    """
    try:
        with file.open("rb") as raw:
            start = raw.read(132)
            size = raw.seek(0, io.SEEK_END)
            raw.seek(0)
            if start[128:] == DICOM_MAGIC:
                raise InputError("this is a DICOM file, which dawson does not read yet", remedy=TO_NIFTI, file=file)
            hashed = _HashedFile(raw, hashlib.sha256() if after is None else after._hash)
            plain = io.BufferedReader(hashed, CHUNK)
            if start.startswith(GZIP_MAGIC):
                with gzip.GzipFile(fileobj=plain, mode="rb") as unpacked:
                    yield ScanFile(file, unpacked, size * DEFLATE_RATIO, hashed.hash)
            else:
                yield ScanFile(file, plain, size, hashed.hash)
    except EOFError:
        raise InputError("its gzip data ends early: the file is truncated", remedy=COPY_AGAIN, file=file) from None
    except (zlib.error, gzip.BadGzipFile):
        finding = "its gzip data is damaged (decompression or its checksum fails)"
        raise InputError(finding, remedy=COPY_AGAIN, file=file) from None
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        remedy = "check the path, the permission to read it and the disk"
        raise AccessError(f"the file cannot be read ({reason})", remedy=remedy, file=file) from None
