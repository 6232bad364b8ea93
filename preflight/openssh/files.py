"""Reading OpenSSH's files, which may be anything that a path can lead to."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_bytes(path: Path) -> bytes:
    """Bytes of a file, none of /dev/null; raises OSError for all else.

    To wait for what a FIFO or a terminal might say would be past every limit.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor has no Path
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # A null device says that a file has nothing in it.
        if not stat.S_ISREG(status.st_mode) and not os.path.samestat(
            status, Path(os.devnull).stat()
        ):
            raise OSError(errno.EINVAL, "is not a regular file")
        return file.read()
