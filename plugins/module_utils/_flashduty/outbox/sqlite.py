# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The outbox in a file of one machine, with SQLite: making it private, opening and repairing it, and words for people."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
import stat
import time
import typing as t

from . import schema
from .database import Values
from .model import FILE_NAME, DamagedOutbox, NewerOutbox, OutboxError

_SIDE_FILES = ("-wal", "-shm")
# What SQLite opens beside the file, by name.
_ALL_FILES = ("", *_SIDE_FILES, "-journal")
# What this package makes in a folder.
_OUR_FILES = re.compile(
    rf"{re.escape(FILE_NAME)}(?:\.damaged-\w+)?(?:-wal|-shm|-journal)?\Z"
)
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH

# File systems that several machines share. WAL needs memory that all its users share.
_NETWORK_FILE_SYSTEMS = re.compile(
    r"(?:nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|gpfs|beegfs|glusterfs|ocfs2|gfs2|fuse(?:\..*)?|virtiofs)\Z"
)


class SqliteDatabase:
    """One open file. See ``Database``.

    :param folder: where the file is; made with mode 0700 when missing. It has to be safe from other users; see
        ``_secure_folder``.
    :param now: where the time comes from, in seconds since the epoch.
    :param busy_timeout: seconds to wait for another process that is just writing.
    :raises OutboxError: when the file cannot be used.
    """

    kind = "sqlite"
    # One transaction writes at a time.
    skip_locked = ""
    for_update = ""

    def __init__(
        self,
        folder: str,
        *,
        now: t.Callable[[], float] = time.time,
        busy_timeout: float = 5.0,
    ) -> None:
        self.place = folder
        self._path = os.path.join(folder, FILE_NAME)
        self._now = now
        self._busy_timeout = busy_timeout
        self._depth = 0
        with self._translated_errors():
            _make_private(folder, self._path)
            try:
                self._db = self._connect()
            except sqlite3.OperationalError as exc:
                if not _may_lack_shared_memory(exc):
                    raise
                self._leave_wal()
                self._db = self._connect(wal=False)
        self._file = _identity(self._path)

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """See ``Database``."""
        return self._transaction()

    @contextlib.contextmanager
    def _transaction(self) -> t.Iterator[None]:
        if self._depth:
            yield
            return
        with self._translated_errors(), _transaction(self._db):
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def lock(self, name: str) -> None:
        """See ``Database``. One transaction writes at a time, so there is nothing to do."""

    def rows(self, sql: str, values: Values | None = None) -> list[tuple[t.Any, ...]]:
        """See ``Database``."""
        with self._translated_errors():
            return self._db.execute(sql, values or {}).fetchall()

    def run(self, sql: str, values: Values | None = None) -> int:
        """See ``Database``."""
        with self._translated_errors():
            return self._db.execute(sql, values or {}).rowcount

    def send(self, sql: str, values: Values | None = None) -> t.Callable[[], int]:
        """See ``Database``. A file is not far away."""
        changed = self.run(sql, values)
        return lambda: changed

    def run_each(self, sql: str, values: t.Iterable[Values]) -> None:
        """See ``Database``."""
        with self._translated_errors():
            self._db.executemany(sql, values)

    def now(self) -> float:
        """See ``Database``."""
        return self._now()

    def is_current(self) -> bool:
        """Say whether this is still the file that others use: it may have been moved aside, or deleted."""
        # It may even have gone between its opening and the first look.
        return self._file is not None and _identity(self._path) == self._file

    def size(self) -> int:
        """See ``Database``."""
        return file_size(self.place)

    def close(self) -> None:
        """See ``Database``."""
        self._db.close()

    def _connect(self, *, wal: bool = True) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None
        )
        try:
            self._prepare(db, wal=wal)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection, *, wal: bool) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > schema.VERSION:
            raise NewerOutbox(
                f"{self._path} was written by a newer version of the collection (format {version}, known is"
                f" {schema.VERSION})"
            )
        if version == 0:
            # Readers and the writer do not wait for each other.
            if wal and not _is_shared_by_machines(self.place):
                # Somebody else may do the same just now: that is not waited for.
                with contextlib.suppress(sqlite3.OperationalError):
                    db.execute("PRAGMA journal_mode = WAL").fetchone()
            with _transaction(db):
                # Somebody else may have been faster.
                if db.execute("PRAGMA user_version").fetchone() == (0,):
                    for statement in schema.statements(
                        "INTEGER PRIMARY KEY AUTOINCREMENT"
                    ):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {schema.VERSION}")
        # KiB of the file that are kept in memory, instead of 2,000: neither a run nor a courier shall grow much.
        db.execute("PRAGMA cache_size = -500")
        # Safe against a killed process; a power cut may take the last moments.
        db.execute("PRAGMA synchronous = NORMAL")

    def _leave_wal(self) -> None:
        """Let the file have a rollback journal: slower, and as safe.

        Where there is no shared memory, SQLite switches WAL on all the same, and cannot use the file from then on
        but with exclusive locking.
        """
        db = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None
        )
        with contextlib.closing(db):
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = DELETE")

    @contextlib.contextmanager
    def _translated_errors(self) -> t.Iterator[None]:
        """Turn what SQLite and the system say into words for a person."""
        try:
            yield
        except sqlite3.Error as exc:
            if _tells_damage(exc):
                raise DamagedOutbox(f"{self._path} is damaged: {exc}") from exc
            raise OutboxError(f"cannot use {self._path}: {exc}") from exc
        except UnicodeDecodeError as exc:
            # SQLite has quoted the damage in its message.
            raise DamagedOutbox(f"{self._path} is damaged: not a text") from exc
        except OSError as exc:
            raise OutboxError(
                f"cannot use {self._path}: {exc.strerror or exc}"
            ) from exc


def file_size(folder: str) -> int:
    """Return the bytes of the outbox in a folder, 0 when there is none."""
    path = os.path.join(folder, FILE_NAME)
    total = 0
    for ending in ("", *_SIDE_FILES):
        with contextlib.suppress(OSError):
            total += os.path.getsize(path + ending)
    return total


def is_usable(folder: str) -> bool:
    """Say whether a folder can be written to and is safe from others, or can be made where it is not there yet."""
    if os.path.isdir(folder):
        try:
            with _opened_folder(folder) as opened:
                _check_folder(folder, opened)
            _check_files(os.path.join(folder, FILE_NAME))
        except (OSError, OutboxError):
            return False
    while not os.path.exists(folder):
        folder, rest = os.path.split(folder)
        if not rest:
            return False
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def move_aside(folder: str, *, now: t.Callable[[], float] = time.time) -> str:
    """Rename a damaged file, so that a new one can be made, and return its new path.

    :raises OSError: when that is not possible.
    """
    path = os.path.join(folder, FILE_NAME)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now()))
    aside = f"{path}.damaged-{stamp}"
    for ending in (*reversed(_SIDE_FILES), ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(path + ending, aside + ending)
    return aside


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> t.Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _may_lack_shared_memory(exc: sqlite3.OperationalError) -> bool:
    # What SQLite says depends on which step towards it fails: "unable to open", "readonly", "disk I/O error".
    return not any(word in str(exc) for word in ("locked", "full"))


def _tells_damage(exc: sqlite3.Error) -> bool:
    if isinstance(exc, sqlite3.OperationalError):
        # Most of these tell of the surroundings: no space, no rights, somebody else is just writing.
        text = str(exc)
        return text.startswith(("no such ", "Could not decode ", "malformed ")) or (
            text.endswith(" already exists")
        )
    # Its subclasses tell of mistakes in our own code, which are no reason to move a file aside.
    return exc.__class__ is sqlite3.DatabaseError


def _make_private(folder: str, path: str) -> None:
    """Make folder and file where they are missing, and see to it that no other user can get at them."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    _secure_folder(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        is_read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        problem = errno.EROFS if is_read_only else errno.EACCES
        raise OSError(problem, os.strerror(problem))
    # SQLite gives its side files the rights of the main file. A file that is there is not opened: closing it would
    # end the locks that this process has on it (https://www.sqlite.org/howtocorrupt.html).
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for file, status in _check_files(path):
        if stat.S_IMODE(status.st_mode) & ~0o600 and status.st_uid == os.geteuid():
            # It may be gone by now: SQLite deletes its side files.
            with contextlib.suppress(FileNotFoundError):
                os.chmod(file, 0o600)


def _secure_folder(folder: str) -> None:
    """Refuse a folder in which other users could plant a file, or narrow its mode where that harms nobody.

    :raises OutboxError: says what is wrong, and what is allowed.
    """
    with _opened_folder(folder) as opened:
        if _check_folder(folder, opened):
            os.fchmod(opened, 0o700)


@contextlib.contextmanager
def _opened_folder(folder: str) -> t.Iterator[int]:
    # What was checked is what gets another mode, whatever its path leads to by then.
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


def _check_folder(folder: str, opened: int) -> bool:
    """Return whether the mode of a folder is to be narrowed.

    :raises OutboxError: when it is not safe from other users, and is not ours alone.
    """
    status = os.fstat(opened)
    # A symbolic link is as good as who has made it.
    for uid in (os.lstat(folder).st_uid, status.st_uid):
        if not _is_trusted(uid):
            raise _refused_folder(folder, f"the folder belongs to user id {uid}")
    if not status.st_mode & _WRITABLE_BY_OTHERS:
        return False
    if (
        status.st_uid != os.geteuid()
        # Somebody has made it to be shared, even where nothing is in it yet.
        or status.st_mode & stat.S_ISVTX
        or not _holds_only_ours(opened)
    ):
        raise _refused_folder(
            folder,
            f"other users can write to the folder (mode {stat.S_IMODE(status.st_mode):04o})",
        )
    return True


def _refused_folder(folder: str, problem: str) -> OutboxError:
    return OutboxError(
        f"cannot use {folder}: {problem}; state_path has to be a folder of user id {os.geteuid()} or of root that nobody"
        " else can write to, or a new one, which may be within a shared one"
    )


def _holds_only_ours(opened: int) -> bool:
    for name in os.listdir(opened):
        try:
            status = os.stat(name, dir_fd=opened, follow_symlinks=False)
        except FileNotFoundError:
            # SQLite deletes its side files.
            continue
        if not _OUR_FILES.match(name) or status.st_uid != os.geteuid():
            return False
    return True


def _check_files(path: str) -> list[tuple[str, os.stat_result]]:
    """Return the files that SQLite will open, as far as they are there.

    :raises OutboxError: when one of them leads elsewhere, or is somebody else's.
    """
    return [
        (file, status)
        for file in (path + ending for ending in _ALL_FILES)
        if (status := _checked_status(file))
    ]


def _checked_status(file: str) -> os.stat_result | None:
    try:
        status = os.lstat(file)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        problem = "it is a symbolic link"
    elif not stat.S_ISREG(status.st_mode):
        problem = "it is not a regular file"
    elif status.st_nlink > 1:
        problem = f"it has {status.st_nlink} names (hard links)"
    elif not _is_trusted(status.st_uid):
        problem = f"it belongs to user id {status.st_uid}"
    elif status.st_uid != os.geteuid() and status.st_mode & _WRITABLE_BY_OTHERS:
        problem = "other users can write to it"
    else:
        return status
    raise OutboxError(
        f"cannot use {file}: {problem}; it has to be a regular file with one name, of user id {os.geteuid()} or of root"
    )


def _is_trusted(uid: int) -> bool:
    # Root can do all that we can.
    return uid in (0, os.geteuid())


def _is_shared_by_machines(folder: str) -> bool:
    """Say whether a folder is on a network file system, as far as the system tells."""
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for mount in mounts:
                # See proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, options …, -, type, …
                place, _dash, kind = mount.partition(" - ")
                if place.split()[2] == number:
                    return bool(_NETWORK_FILE_SYSTEMS.match(kind.split()[0]))
    except (OSError, IndexError):
        pass
    return False


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
