# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state file on bad days: killed writers, several users, full disks, damage. All of it caused for real."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty import (
    events,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    DamagedOutbox,
    NewerOutbox,
    OutboxError,
    OutboxLocation,
    may_have_data,
    open_outbox,
    schema,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.model import (
    FILE_NAME,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.sqlite import (
    SqliteDatabase,
    is_usable,
    move_aside,
)

from tests.tools.shared_memory import blocked_shared_memory

WEB = "integration-1"
CORE = Path(events.__file__).parents[1]
# A user id that nobody has.
OTHER_USER = 12345


def alert(key: str = "a", text: str = "") -> AlertEvent:
    return AlertEvent.create(
        title_rule="t", event_status="Critical", alert_key=key, description=text
    )


def open_at(folder: Path) -> Outbox:
    return open_outbox(OutboxLocation(str(folder)))


def add(folder: Path, key: str = "a") -> None:
    with open_at(folder) as outbox:
        outbox.add(WEB, [alert(key)])


def waiting(folder: Path) -> list[str]:
    with open_at(folder) as outbox:
        return [row["key"] for row in outbox.events(undeliverable=False)]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def journal_mode(folder: Path) -> str:
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as db:
        return str(db.execute("PRAGMA journal_mode").fetchone()[0])


def start_python(code: str, *arguments: str, **options: t.Any) -> subprocess.Popen[str]:
    """Start a process that uses the core."""
    prelude = """
import os, sys, time
from _flashduty.events import AlertEvent
from _flashduty.outbox import OutboxError, OutboxLocation, open_outbox
from _flashduty.outbox.queue import Outbox
from _flashduty.outbox.sqlite import SqliteDatabase
from _flashduty.processes import process_name
def alert(key):
    return AlertEvent.create(title_rule="t", event_status="Critical", alert_key=key, description="d" * 500)
"""
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, *arguments],
        cwd=CORE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


# What a process does first to have no more rights than a user has.
AS_USER = f"""
from _flashduty.outbox import queue, sqlite
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({OTHER_USER})
    os.setuid({OTHER_USER})
"""


@pytest.fixture
def folder_of_a_user() -> t.Iterator[Path]:
    """Make a folder for a process that is not root; what pytest makes is for root alone."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        folder = Path(place, "state")
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            folder.chmod(0o755)
            os.chown(folder, OTHER_USER, OTHER_USER)
        yield folder


@pytest.fixture
def without_shared_memory() -> t.Iterator[t.Callable[[Path], None]]:
    """Let SQLite fail to make its shared memory in a folder, as on a file system that has none."""
    with contextlib.ExitStack() as until_the_end:
        yield lambda folder: until_the_end.enter_context(blocked_shared_memory(folder))


@pytest.fixture
def mount(tmp_path: Path) -> t.Iterator[t.Callable[..., Path]]:
    """Mount a file system of its own, or skip the test where that is not allowed."""
    mounted: list[Path] = []

    def mount(*command: str, name: str = "mounted") -> Path:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        done = subprocess.run(
            [*command, str(place)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"{command[0]} is not allowed here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in reversed(mounted):
        subprocess.run(["umount", "-l", str(place)], check=True)


def mount_memory(mount: t.Callable[..., Path], size: str) -> Path:
    return mount("mount", "-t", "tmpfs", "-o", f"size={size}", "flashduty-test")


# -- privacy


def test_folder_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    old_mask = os.umask(0)
    try:
        with open_at(folder) as outbox:
            outbox.add(WEB, [alert()])
            modes = {path.name: mode(path) for path in folder.iterdir()}
    finally:
        os.umask(old_mask)

    assert mode(folder) == 0o700
    assert FILE_NAME in modes
    assert set(modes.values()) == {0o600}


def test_wider_rights_are_narrowed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with open_at(folder) as outbox:
        outbox.add(WEB, [alert()])
        folder.chmod(0o777)
        for path in folder.iterdir():
            path.chmod(0o666)

        add(folder)

        assert {mode(path) for path in folder.iterdir()} == {0o600}
    assert mode(folder) == 0o700


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give things away")


def assert_refused(folder: Path, *words: str, mode_stays: int) -> None:
    """See to it that a folder is neither used nor changed, and that the error says why."""
    before = sorted(os.listdir(folder))
    with pytest.raises(OutboxError) as caught:
        add(folder)

    assert not isinstance(caught.value, DamagedOutbox)
    for word in ("cannot use", f"user id {os.geteuid()} or of root", *words):
        assert word in str(caught.value)
    assert mode(folder) == mode_stays
    assert sorted(os.listdir(folder)) == before
    assert not is_usable(str(folder))


@as_root
@pytest.mark.parametrize("rights", [0o755, 0o700, 0o777], ids=oct)
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, rights: int) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(rights)
    os.chown(folder, OTHER_USER, OTHER_USER)

    assert_refused(folder, f"belongs to user id {OTHER_USER}", mode_stays=rights)


@pytest.mark.parametrize("rights", [0o777, 0o775, 0o1777], ids=oct)
@pytest.mark.parametrize("through_link", [False, True], ids=["itself", "link"])
def test_a_folder_that_others_can_write_to_is_refused(
    tmp_path: Path, rights: int, through_link: bool
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "of another program").touch()
    shared.chmod(rights)
    folder = shared
    if through_link:
        folder = tmp_path / "link"
        folder.symlink_to(shared)

    assert_refused(folder, f"mode {rights:04o}", "new one", mode_stays=rights)

    # What the error offers.
    add(folder / "flashduty")
    assert mode(shared / "flashduty") == 0o700
    assert mode(shared) == rights


def test_an_empty_folder_that_is_shared_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    assert_refused(tmp_path, "mode 1777", mode_stays=0o1777)


def test_a_folder_with_other_things_that_others_can_only_read_keeps_its_mode(
    tmp_path: Path,
) -> None:
    (tmp_path / "of another program").touch(0o644)
    tmp_path.chmod(0o755)

    add(tmp_path)
    add(tmp_path)

    assert mode(tmp_path) == 0o755
    assert mode(tmp_path / "of another program") == 0o644
    assert mode(tmp_path / FILE_NAME) == 0o600


@as_root
def test_a_file_that_others_have_planted_keeps_a_folder_from_being_narrowed(
    tmp_path: Path,
) -> None:
    (tmp_path / f"{FILE_NAME}-wal").touch(0o666)
    os.chown(tmp_path / f"{FILE_NAME}-wal", OTHER_USER, OTHER_USER)
    tmp_path.chmod(0o777)

    assert_refused(tmp_path, "mode 0777", mode_stays=0o777)


@as_root
def test_a_link_of_somebody_else_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to("ours")
    os.chown(link, OTHER_USER, OTHER_USER, follow_symlinks=False)

    assert_refused(link, f"belongs to user id {OTHER_USER}", mode_stays=0o700)


def test_a_link_of_ours_is_followed(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("ours")

    add(tmp_path / "link")

    assert waiting(tmp_path / "ours") == ["a"]


def touch_as_other_user(path: str) -> None:
    Path(path).touch()
    os.chown(path, OTHER_USER, OTHER_USER)


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize(
    ("plant", "problem"),
    [
        pytest.param(os.symlink, "symbolic link", id="symlink"),
        pytest.param(os.link, "2 names", id="hard link"),
        pytest.param(
            lambda _victim, path: os.mkfifo(path), "not a regular file", id="pipe"
        ),
        pytest.param(
            lambda _victim, path: touch_as_other_user(path),
            f"belongs to user id {OTHER_USER}",
            id="other user",
            marks=as_root,
        ),
    ],
)
def test_a_file_that_leads_elsewhere_is_refused(
    tmp_path: Path, ending: str, plant: t.Callable[[str, str], object], problem: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o644)
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    plant(str(victim), str(folder / f"{FILE_NAME}{ending}"))

    with pytest.raises(
        OutboxError, match=f"cannot use .*{FILE_NAME}{ending}: .*{problem}"
    ):
        add(folder)

    assert victim.read_text() == "precious"
    assert mode(victim) == 0o644
    assert not is_usable(str(folder))


def test_who_is_not_root_trusts_root_and_nobody_else(folder_of_a_user: Path) -> None:
    """The judgement depends on who we are, so it is made in a process of another user."""
    names = ["own", "own/new"]
    (folder_of_a_user / "own").mkdir()
    if os.geteuid() == 0:
        names += ["of-root", "of-root/new", "of-third"]
        for name, owner, rights in (
            ("own", OTHER_USER, 0o700),
            ("of-root", 0, 0o777),
            ("of-third", OTHER_USER + 1, 0o755),
        ):
            folder = folder_of_a_user / name
            folder.mkdir(exist_ok=True)
            folder.chmod(rights)
            os.chown(folder, owner, owner)
    process = start_python(
        AS_USER + """
for name in sys.argv[2:]:
    try:
        open_outbox(OutboxLocation(os.path.join(sys.argv[1], name))).close()
        print(name, "used")
    except OutboxError as problem:
        print(name, problem)
""",
        str(folder_of_a_user),
        *names,
    )
    said = process.communicate(timeout=30)[0].splitlines()

    assert said[:2] == ["own used", "own/new used"]
    if os.geteuid() == 0:
        assert "other users can write" in said[2]
        assert said[3] == "of-root/new used"
        assert f"belongs to user id {OTHER_USER + 1}" in said[4]


def test_nothing_is_made_only_to_look(tmp_path: Path) -> None:
    location = OutboxLocation(str(tmp_path / "state"))

    assert not may_have_data(location)
    assert list(tmp_path.iterdir()) == []
    with open_outbox(location) as outbox:
        assert outbox.place == str(tmp_path / "state")
    assert may_have_data(location)


def test_nobody_knows_what_is_in_a_folder_that_cannot_be_looked_into(
    tmp_path: Path,
) -> None:
    """The watch for missed runs said that all is well, with the folder of another user."""
    (tmp_path / "file").touch()
    assert may_have_data(OutboxLocation(path=str(tmp_path / "file")))


# -- what is committed stays


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_what_was_added_survives_a_killed_writer(
    tmp_path: Path, journal: str, without_shared_memory: t.Callable[[Path], None]
) -> None:
    folder = tmp_path / "state"
    if journal == "delete":
        without_shared_memory(folder)
    chance = random.Random(journal)
    told: list[str] = []
    for run in range(8):
        writer = start_python(
            """
folder, run = sys.argv[1:]
print("ready", flush=True)
for number in range(100000):
    with open_outbox(OutboxLocation(folder)) as outbox:
        outbox.add("integration-1", [alert(f"{run}-{number}")])
    os.write(1, f"{run}-{number}\\n".encode())
""",
            str(folder),
            str(run),
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        if run % 2:
            told.append(writer.stdout.readline().strip())
        time.sleep(chance.uniform(0, 0.15))
        writer.kill()
        told += writer.communicate()[0].split()

    kept = waiting(folder)

    assert len(told) > 3
    assert set(told) <= set(kept)
    # One event of each writer may be there of which it could not tell any more.
    assert len(kept) <= len(told) + 8
    assert journal_mode(folder) == journal
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_several_processes_share_one_outbox(tmp_path: Path) -> None:
    folder = str(tmp_path / "state")
    writers = [
        start_python(
            """
with open_outbox(OutboxLocation(sys.argv[1])) as outbox:
    for number in range(60):
        outbox.add("integration-1", [alert(f"{sys.argv[2]}-{number}")])
""",
            folder,
            str(number),
        )
        for number in range(2)
    ]
    readers = [
        start_python(
            """
idle_since = time.monotonic()
with open_outbox(OutboxLocation(sys.argv[1])) as outbox:
    while time.monotonic() - idle_since < 1.5:
        events, _pause = outbox.claim("integration-1", process_name(), limit=3, lease=60)
        outbox.settle(delivered=events)
        for event in events:
            idle_since = time.monotonic()
            print(event.key, flush=True)
        if not events:
            time.sleep(0.01)
""",
            folder,
        )
        for _number in range(2)
    ]

    for writer in writers:
        assert writer.wait(60) == 0
    delivered = [reader.communicate(timeout=300)[0].split() for reader in readers]

    everything = sorted(f"{w}-{number}" for w in range(2) for number in range(60))
    assert sorted(delivered[0] + delivered[1]) == everything
    assert waiting(Path(folder)) == []


def test_many_may_be_the_first(tmp_path: Path) -> None:
    crowd = [
        start_python(
            """
folder, number, moment = sys.argv[1:]
time.sleep(max(0, float(moment) - time.time()))
with open_outbox(OutboxLocation(folder)) as outbox:
    outbox.add("integration-1", [alert(number)])
""",
            str(tmp_path / "state"),
            str(number),
            str(time.time() + 0.8),
        )
        for number in range(8)
    ]

    assert [one.wait(30) for one in crowd] == [0] * 8
    assert sorted(waiting(tmp_path / "state")) == [str(number) for number in range(8)]


def test_opening_the_file_twice_does_not_end_a_lock(
    tmp_path: Path, without_shared_memory: t.Callable[[Path], None]
) -> None:
    folder = tmp_path / "state"
    without_shared_memory(folder)
    with open_at(folder) as outbox, outbox.transaction():
        with open_at(folder):
            pass
        other = start_python(
            """
started = time.monotonic()
with Outbox(SqliteDatabase(sys.argv[1], busy_timeout=0.3)) as outbox:
    try:
        outbox.add("integration-1", [alert("a")])
    except OutboxError as problem:
        print(problem)
""",
            str(folder),
        )
        said = other.communicate(timeout=30)[0]

    assert "locked" in said


def test_who_writes_for_too_long_does_not_stop_others_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with Outbox(SqliteDatabase(str(folder), busy_timeout=0.2)) as outbox:
        with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OutboxError, match="locked"):
                outbox.add(WEB, [alert()])
        outbox.add(WEB, [alert()])


# -- no shared memory, no space, no rights


def test_a_rollback_journal_does_where_wal_is_not_to_be_had(
    tmp_path: Path, without_shared_memory: t.Callable[[Path], None]
) -> None:
    without_shared_memory(tmp_path)

    add(tmp_path)

    assert waiting(tmp_path) == ["a"]
    assert journal_mode(tmp_path) == "delete"


def test_a_file_in_wal_mode_is_mended_where_wal_is_not_to_be_had(
    folder_of_a_user: Path,
) -> None:
    add_both = start_python(
        AS_USER + """
def add(key):
    with open_outbox(OutboxLocation(sys.argv[1])) as outbox:
        outbox.add("integration-1", [alert(key)])
        print(*(row["key"] for row in outbox.events(undeliverable=False)))
add("before")
# Root could open it all the same.
os.close(os.open(os.path.join(sys.argv[1], "outbox.sqlite3-shm"), os.O_CREAT | os.O_EXCL, 0))
add("after")
""",
        str(folder_of_a_user),
    )

    assert add_both.communicate(timeout=30)[0].split() == ["before", "before", "after"]
    assert journal_mode(folder_of_a_user) == "delete"


def test_wal_is_used_where_it_is_to_be_had(tmp_path: Path) -> None:
    add(tmp_path)

    assert journal_mode(tmp_path) == "wal"


@pytest.mark.skipif(not shutil.which("bindfs"), reason="bindfs is not installed")
def test_a_file_system_that_machines_may_share_gets_a_rollback_journal(
    tmp_path: Path, mount: t.Callable[..., Path]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    folder = mount("bindfs", str(source)) / "state"

    add(folder)

    assert waiting(folder) == ["a"]
    assert journal_mode(folder) == "delete"


def test_a_full_disk_loses_nothing_and_says_so(mount: t.Callable[..., Path]) -> None:
    place = mount_memory(mount, "384k")
    folder = place / "state"
    stored = 0
    with open_at(folder) as outbox:
        with pytest.raises(OutboxError, match=r"cannot use .*full"):
            for number in range(10_000):
                outbox.add(WEB, [alert(str(number), "d" * 2000)])
                stored += 1
        subprocess.run(["mount", "-o", "remount,size=2m", str(place)], check=True)
        outbox.add(WEB, [alert("later")])

    assert stored > 5
    assert waiting(folder) == [*map(str, range(stored)), "later"]


def test_a_limit_of_file_sizes_is_like_a_full_disk(tmp_path: Path) -> None:
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    writer = start_python(
        """
with open_outbox(OutboxLocation(sys.argv[1])) as outbox:
    try:
        for number in range(10000):
            outbox.add("integration-1", [alert(str(number))])
            print(number)
    except OutboxError as problem:
        print(type(problem).__name__)
""",
        str(tmp_path),
        preexec_fn=limit_files,
    )
    said = writer.communicate(timeout=30)[0].split()

    assert said[-1] == "OutboxError"
    assert waiting(tmp_path) == said[:-1]


def test_a_full_disk_from_the_start_is_told(mount: t.Callable[..., Path]) -> None:
    place = mount_memory(mount, "16k")
    with contextlib.suppress(OSError):
        (place / "filler").write_bytes(b"x" * 16_384)

    with pytest.raises(OutboxError, match="cannot use"):
        add(place / "state")


def test_a_read_only_file_system_is_told(mount: t.Callable[..., Path]) -> None:
    place = mount_memory(mount, "1m")
    add(place / "state")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)

    for folder in (place / "state", place / "other"):
        with pytest.raises(OutboxError, match="cannot use .*Read-only file system"):
            add(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="others cannot read it, then")
def test_narrower_rights_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    add(folder)
    (folder / FILE_NAME).chmod(0o200)

    add(folder)

    assert mode(folder / FILE_NAME) == 0o200


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(OutboxError, match="Permission denied"):
        add(tmp_path / "state")


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")

    with pytest.raises(OutboxError, match="cannot use"):
        add(tmp_path / "state")


def test_a_state_file_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()

    with pytest.raises(OutboxError, match="cannot use"):
        add(tmp_path)


# -- damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"this was never a state file" * 100,
        lambda content: b"\0" * len(content),
        lambda content: content[: len(content) // 2],
        lambda content: content[:100] + b"\xff" * (len(content) - 100),
    ],
    ids=["text", "zeroes", "half", "all but the header"],
)
def test_a_damaged_file_is_told_from_other_trouble_and_can_be_moved_aside(
    tmp_path: Path, damage: t.Callable[[bytes], bytes]
) -> None:
    add(tmp_path)
    path = tmp_path / FILE_NAME
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)

    with pytest.raises(DamagedOutbox, match=r"outbox.sqlite3 is damaged"):
        add(tmp_path)
    aside = move_aside(str(tmp_path), now=lambda: 0.0)

    assert aside == str(tmp_path / "outbox.sqlite3.damaged-19700101T000000Z")
    assert Path(aside).read_bytes()[:50] == damaged[:50]
    add(tmp_path, "new")
    assert waiting(tmp_path) == ["new"]


def test_the_side_files_go_with_the_damaged_file(tmp_path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        (tmp_path / f"{FILE_NAME}{ending}").write_text(ending)

    aside = move_aside(str(tmp_path))

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        Path(aside).name,
        Path(f"{aside}-shm").name,
        Path(f"{aside}-wal").name,
    ]


def test_a_file_of_another_program_is_damage(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute("CREATE TABLE something_else (x)")
        db.execute(f"PRAGMA user_version = {schema.VERSION}")

    with pytest.raises(DamagedOutbox, match="no such table"):
        add(tmp_path)


def test_whatever_is_damaged_only_our_own_errors_come_out(tmp_path: Path) -> None:
    with open_at(tmp_path / "good") as outbox:
        for number in range(30):
            outbox.add(
                WEB,
                [alert(str(number), "d" * 300)],
                opened=OpenAlert(str(number), "o", "t", "Critical", 1.0, {"n": 1}),
            )
    good = (tmp_path / "good" / FILE_NAME).read_bytes()
    chance = random.Random(1)
    caught = 0
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        content = bytearray(good)
        for _byte in range(chance.choice([1, 20, 400])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        (folder / FILE_NAME).write_bytes(content)
        try:
            use_all_of_it(folder)
        except OutboxError:
            caught += 1

    assert caught > 10


def use_all_of_it(folder: Path) -> None:
    with open_at(folder) as outbox:
        outbox.counts()
        outbox.status([WEB])
        outbox.open_alerts()
        outbox.events(undeliverable=False)
        outbox.add(WEB, [alert("new")], closed=["1"])
        claimed, _pause = outbox.claim(WEB, "me", limit=9, lease=9, rate_limit=90)
        outbox.settle(delivered=claimed[:3], unsent=claimed[3:])
        outbox.release_dead()
        outbox.prune(max_waiting=3)
        outbox.retry_undeliverable("alert", WEB)
        outbox.discard_undeliverable()


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    add(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = (tmp_path / FILE_NAME).read_bytes()

    with pytest.raises(NewerOutbox, match="newer version of the collection"):
        add(tmp_path)

    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_mistake_in_our_own_code_is_no_damage(tmp_path: Path) -> None:
    outbox = open_at(tmp_path)
    outbox.close()

    with pytest.raises(OutboxError) as caught:
        outbox.add(WEB, [alert()])

    assert not isinstance(caught.value, DamagedOutbox)


@pytest.mark.parametrize("replace", [True, False], ids=["replaced", "deleted"])
def test_a_file_that_is_no_longer_the_one_in_use_is_noticed(
    tmp_path: Path, replace: bool
) -> None:
    with open_at(tmp_path) as outbox:
        outbox.check()
        move_aside(str(tmp_path))
        with open_at(tmp_path if replace else tmp_path / "elsewhere"):
            pass

        assert not outbox.is_current()
        with pytest.raises(DamagedOutbox, match="was replaced"):
            outbox.check()
