"""One process per run folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from upslope.core.checks import StorageError
from upslope.storage.atomic import storage_error

LOCK = "LOCK"


class RunLock:
    """Holds a run folder for this process until `release` or the end of the process.

    The kernel's lock on the file decides; it goes when its process does, however that died. The
    text in the file (process, host, boot) says who holds it, and decides where the file system
    cannot lock: an owner of this host that is gone, or of an earlier boot, holds nothing.

    Args:
      folder: the run folder.

    Raises:
      StorageError: when another process holds it, or the file cannot be written.
    """

    def __init__(self, folder: Path):
        self.path = Path(folder) / LOCK
        self._descriptor: int | None = None
        try:
            self._descriptor = self._acquire()
        except OSError as error:
            raise storage_error("lock", self.path, error) from error

    def _acquire(self) -> int:
        for _ in range(10):
            descriptor = os.open(
                self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666
            )
            try:
                locked = _flock(descriptor)
                owner = _read_owner(descriptor)
                inode = os.fstat(descriptor).st_ino
                if locked is False or _holds(owner, inode, kernel_agrees=locked is True):
                    raise StorageError(
                        f"{self.path.parent} is in use by process {owner.get('pid', '?')} on host "
                        f"{owner.get('host', '?')}. Wait for it, or choose another folder with "
                        f"--out; if that process is gone, delete {self.path}."
                    )
                # Its last owner may have deleted the file between our opening and locking it.
                if not _same_file(self.path, inode):
                    os.close(descriptor)
                    continue
                text = json.dumps(_me() | {"inode": inode}) + "\n"
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, text.encode(), 0)
                return descriptor
            except BaseException:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
                raise
        raise StorageError(f"{self.path} keeps changing: other processes start in this folder.")

    def release(self) -> None:
        """Lets the folder go; once is enough."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            if _same_file(self.path, os.fstat(self._descriptor).st_ino):
                self.path.unlink()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = None


def _flock(descriptor: int) -> bool | None:
    """True: locked; False: somebody else has it; None: this file system has no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _same_file(path: Path, inode: int) -> bool:
    try:
        return os.stat(path).st_ino == inode
    except FileNotFoundError:
        return False


def _me() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": _boot_id(),
        "started": _start_time(os.getpid()),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _read_owner(descriptor: int) -> dict[str, Any]:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, RecursionError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _holds(owner: dict[str, Any], inode: int, *, kernel_agrees: bool) -> bool:
    """Whether the process named in the file still holds it, as far as can be known from here."""
    if type(owner.get("pid")) is not int or owner.get("inode") != inode:
        return False  # nobody, or the folder is a copy of one that was in use
    if owner.get("host") != socket.gethostname():
        return True  # kernels of different hosts may not know of each other's locks
    if kernel_agrees or owner.get("boot") != _boot_id():
        return False
    started = _start_time(owner["pid"])
    return started is not None and started == owner.get("started")


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _start_time(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; "" if only its existence is known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, IndexError):
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return ""
    return ""
