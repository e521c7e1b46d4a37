"""Who may write in a run directory: its lock, on disks of this machine and on those of a network."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from tsmech.errors import InputError

FILE = "run.sqlite"
LOCK = f".{FILE}.lock"
"""What is locked where the disk cannot lock a directory: it stays there, empty."""
_NO_LOCKS = {errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}
"""What ``flock`` says of a disk that has no locks, or none for what may only be read."""
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "lustre", "gpfs", "glusterfs", "panfs"),
    *("beegfs", "beegfs_nodev", "orangefs", "pvfs2", "ocfs2", "gfs2", "wekafs", "fuse.sshfs", "fuse.glusterfs"),
    *("fuse.ceph", "fuse.ceph-fuse", "fuse.juicefs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.mergerfs"),
}
"""File systems whose memory is not that of one machine."""


@dataclass
class Lock:
    """A run directory that is this process's own; the lock ends with the process, however it ends.

    Attributes
    ----------
    descriptor
        What is held open, or None where there is no lock.
    local
        Whether the directory lies on a disk of this machine, as far as can be told.
    words
        What there is to say to a person: that the disk has no locks.
    """

    descriptor: int | None = None
    local: bool = True
    words: str = ""

    def release(self) -> None:
        """Give up the lock, where there is one."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def take_lock(directory: Path) -> Lock:
    """Lock a run directory for this process.

    Where the disk cannot lock what may only be read, as a directory, a file in it is locked that may be written.  Where
    it has no locks the run goes on without one and says so.
    """
    local = not on_network(directory)
    try:
        import fcntl
    except ImportError:  # a platform without advisory locks: two runs in one directory are the person's care
        return Lock(local=local)
    for path, flags in ((directory, os.O_RDONLY), (directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)):
        descriptor = os.open(path, flags, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Lock(descriptor, local)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise InputError(f"{directory} is in use by another run: wait for it, or name another --out") from None
            if error.errno not in _NO_LOCKS:
                raise
            local = False
    return Lock(None, local, f"{directory} lies on a disk without locks: see to it that no other run writes there")


def has_locks(directory: Path) -> bool:
    """Return whether a directory can be locked; one that is locked can be."""
    try:
        import fcntl
    except ImportError:
        return True
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except OSError as error:
        return error.errno not in _NO_LOCKS
    finally:
        os.close(descriptor)


def on_network(directory: Path) -> bool:
    """Return whether a directory lies on a disk that other machines may write, as far as Linux tells."""
    try:
        device = directory.stat().st_dev
        mark = f"{os.major(device)}:{os.minor(device)}"
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        return any(fields[2] == mark and fields[fields.index("-") + 1] in _NETWORK for fields in mounts)
    except (OSError, ValueError, AttributeError):
        return False
