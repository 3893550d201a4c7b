"""A process on a real terminal, what it writes there, and what stands there in the end."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from support.cli_tables import COMMAND, environment
from support.processes import PATIENCE, end, start

SHOWN = re.compile("\x1b\\[[?]?([0-9;]*)([A-Za-z])|([\r\n]|[^\x1b\r\n]+)")
"""An escape sequence's number and letter, or what a terminal shows or ends a line with."""


class Terminal:
    """A process whose standard error, and output if asked, is a terminal 100 characters wide.

    It runs `chainrule`, or a script that ends with it.
    """

    def __init__(
        self, *args: object, cwd: Path, both: bool = False, script: str = "", **variables: str
    ) -> None:
        command = [sys.executable, "-c", script] if script else COMMAND
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
        self.process = start(
            [*command, *map(str, args)],
            cwd=cwd, stdin=subprocess.DEVNULL, stdout=slave if both else subprocess.PIPE,
            stderr=slave, env=environment(TERM="xterm-256color", **variables),
        )  # fmt: skip
        os.close(slave)
        self.seen, self.decoder = "", codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> bool:
        """Take in what is there; False once the other side is closed."""
        if not select.select([self.master], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += self.decoder.decode(data)
        return bool(data)

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while words not in self.seen:
            assert self.read(), f"{words} never came:\n{self.seen}"
            assert time.monotonic() < deadline, f"{words} did not come:\n{self.seen}"

    def interrupt(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def finish(self) -> tuple[int, str]:
        """The exit code and what came on standard output, if that is no terminal."""
        deadline = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < deadline, f"it does not end:\n{self.seen}"
        out = (self.process.communicate(timeout=PATIENCE)[0] or b"").decode()
        os.close(self.master)
        end(self.process)
        return self.process.returncode, out

    def screen(self) -> list[str]:
        """The lines that stand there now, as far as they were read."""
        lines, row, column = [""], 0, 0
        for number, letter, text in SHOWN.findall(self.seen):
            if text == "\r":
                column = 0
            elif text == "\n":
                row += 1
                lines += [""] * (row == len(lines))
            elif text:
                line = lines[row].ljust(column)
                lines[row] = line[:column] + text + line[column + len(text) :]
                column += len(text)
            elif letter == "A":
                row -= int(number)
            elif letter == "K":
                lines[row] = ""
        return lines
