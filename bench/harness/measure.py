"""Running commands: timed ones through launch.py, untimed ones plainly; and the upkeep of the file system between them."""
import os
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

LAUNCHER = pathlib.Path(__file__).with_name("launch.py")


class BenchError(Exception):
    """A command failed, or the bench was asked for something it must refuse. The message is for the user."""


@dataclass(frozen=True)
class Command:
    """A program with its arguments and what it needs in the environment beyond the inherited one."""

    argv: list
    env: dict = field(default_factory=dict)

    def environment(self):
        return {**os.environ, "LC_ALL": "C.UTF-8", **self.env}


@dataclass(frozen=True)
class Sample:
    """One timed run: wall clock, and the largest resident set of any process in it."""

    seconds: float
    peak_kib: int


def shell(script, *arguments, env=None):
    """A command that runs `script` with $1, $2, ... set to `arguments`."""
    return Command(["sh", "-c", script, "sh", *map(str, arguments)], env or {})


def timed(command):
    """Runs `command` with its output discarded. Throws BenchError, quoting its last words, unless it exits 0."""
    read_end, write_end = os.pipe()
    argv = [sys.executable, "-I", "-S", "-B", str(LAUNCHER), str(write_end), *map(str, command.argv)]
    with tempfile.TemporaryFile() as talk, os.fdopen(read_end) as report:
        subprocess.run(argv, env=command.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=talk, pass_fds=[write_end], check=False)
        os.close(write_end)
        fields = report.read().split()
        if len(fields) != 3 or fields[2] != "0":
            talk.seek(0)
            fail(command, talk.read(), fields[2] if len(fields) == 3 else "unknown")
    return Sample(float(fields[0]), int(fields[1]))


def untimed(command):
    """Runs `command` and returns its standard output as bytes. Throws BenchError unless it exits 0."""
    done = subprocess.run(list(map(str, command.argv)), env=command.environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, check=False)
    if done.returncode != 0:
        fail(command, done.stderr or done.stdout, done.returncode)
    return done.stdout


def count_output(command):
    """Runs `command` and returns how many bytes it printed, holding none of them."""
    total = 0
    with subprocess.Popen(list(map(str, command.argv)), env=command.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        while block := process.stdout.read(1 << 20):
            total += len(block)
    if process.returncode != 0:
        fail(command, b"", process.returncode)
    return total


def fail(command, talk, code):
    last_words = "\n".join(talk.decode(errors="replace").strip().splitlines()[-5:])
    raise BenchError(f"exit {code} from: {' '.join(map(str, command.argv))}\n{last_words}")


def launcher_peak_kib():
    """The peak that a program of no size shows: no measured peak can be below it."""
    return timed(Command(["true"])).peak_kib


def remove(path):
    untimed(Command(["rm", "-rf", "--one-file-system", "--", path]))


def flush(path):
    """Brings the file system of `path` to rest, so that no run pays for what was written before it."""
    untimed(Command(["sync", "-f", path]))


def warm(tree):
    """Reads all of `tree` once, so that every run finds it in the page cache (as far as it fits)."""
    untimed(shell('find "$1" -type f -print0 | xargs -0 -r cat >/dev/null', tree))
