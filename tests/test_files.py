"""Files are replaced whole or not at all, whatever happens on the way."""

import os
import resource
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
from support.processes import end, start

from chainrule.files import check_writable, write_atomically

NOBODY = 65534


@contextmanager
def umask(mask: int) -> Iterator[None]:
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


@contextmanager
def unprivileged() -> Iterator[None]:
    """The rights of an ordinary user: root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may write in; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("data", [b"", b"new", bytes(range(256)) * 5000])
def test_what_is_written_is_read(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.bin"
    assert write_atomically(file, b"old, and longer than the new one") == file
    assert write_atomically(str(file), data) == file
    assert file.read_bytes() == data
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_new_file_follows_the_umask(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        write_atomically(tmp_path / "a", b"x")
    assert mode(tmp_path / "a") == 0o666 & ~mask


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o755])
def test_existing_file_keeps_its_permissions(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    file.chmod(kept)
    write_atomically(file, b"new")
    assert (mode(file), file.read_bytes()) == (kept, b"new")


def test_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "real", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    assert write_atomically(link, b"new") == link
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    target.unlink()
    write_atomically(link, b"again")
    assert link.is_symlink()
    assert target.read_bytes() == b"again"
    assert os.listdir(tmp_path / "elsewhere") == ["real"]


@pytest.mark.parametrize("length", [100, 250, 255])
def test_long_names_work_as_far_as_the_system_allows(tmp_path: Path, length: int) -> None:
    file = tmp_path / ("n" * length)
    assert write_atomically(file, b"x").read_bytes() == b"x"
    assert write_atomically(tmp_path / ("ü" * (length // 2)), b"x").read_bytes() == b"x"


def folder(tmp: Path) -> Path:
    return tmp


def no_folder(tmp: Path) -> Path:
    return tmp / "missing" / "a"


def below_a_file(tmp: Path) -> Path:
    (tmp / "file").write_bytes(b"x")
    return tmp / "file" / "a"


def loop(tmp: Path) -> Path:
    (tmp / "a").symlink_to(tmp / "b")
    (tmp / "b").symlink_to(tmp / "a")
    return tmp / "a"


def pipe(tmp: Path) -> Path:
    os.mkfifo(tmp / "pipe")
    return tmp / "pipe"


def device(tmp: Path) -> Path:
    return Path(os.devnull)


def link_to_device(tmp: Path) -> Path:
    (tmp / "null").symlink_to(os.devnull)
    return tmp / "null"


def too_long(tmp: Path) -> Path:
    return tmp / ("n" * 300)


def zero_byte(tmp: Path) -> Path:
    return tmp / "a\0b"


def locked_folder(tmp: Path) -> Path:
    (tmp / "locked").mkdir(mode=0o555)
    return tmp / "locked" / "a"


def locked_file(tmp: Path) -> Path:
    (tmp / "locked").write_bytes(b"old")
    (tmp / "locked").chmod(0o444)
    return tmp / "locked"


UNWRITABLE: dict[Callable[[Path], Path], str] = {
    folder: "is a folder",
    no_folder: "is no folder: make it first",
    below_a_file: "is no folder",
    loop: "leads to itself",
    pipe: "is a device or a pipe",
    device: "is a device or a pipe",
    link_to_device: "is a device or a pipe",
    too_long: "File name too long",
    zero_byte: "null byte",
    locked_folder: "Permission denied",
    locked_file: "Permission denied",
}


@pytest.mark.parametrize("place", UNWRITABLE, ids=lambda place: place.__name__)
@pytest.mark.parametrize("act", [check_writable, lambda path: write_atomically(path, b"new")])
def test_unwritable_places_get_one_sentence(
    open_folder: Path, place: Callable[[Path], Path], act: Callable[[Path], Path]
) -> None:
    path = place(open_folder)
    before = sorted(open_folder.rglob("*"))
    with unprivileged(), pytest.raises(OSError, match=UNWRITABLE[place]) as caught:
        act(path)
    assert "\n" not in str(caught.value)
    assert not str(caught.value).startswith("[Errno")
    assert sorted(open_folder.rglob("*")) == before
    assert Path(os.devnull).is_char_device()


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "a") == tmp_path / "a"
    assert os.listdir(tmp_path) == []


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot be written: File too large"):
            write_atomically(file, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_interrupt_on_the_way_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_interrupt_in_the_check_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, mode: str) -> None:
        open(path, mode).close()
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.files.open", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        check_writable(tmp_path / "a")
    assert os.listdir(tmp_path) == []


WRITER = """
import sys
from chainrule.files import write_atomically
while True:
    for letter in b"abcdef":
        write_atomically(sys.argv[1], bytes([letter]) * 300_000)
        print("written", flush=True)
"""


def test_killed_writers_never_leave_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    for round_number in range(20):
        file.unlink(missing_ok=True)
        writer = start([sys.executable, "-c", WRITER, str(file)], stdout=PIPE, text=True)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        time.sleep(0.0007 * round_number)  # another place in the work each time
        end(writer)
        data = file.read_bytes()
        assert data == data[:1] * 300_000
    assert len(os.listdir(tmp_path)) <= 21  # at most one left behind by each kill
