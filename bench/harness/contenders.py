"""The programs that are compared, each with the commands by which it does the same work.

A contender keeps what it writes below `state`, a directory that exists and is its own: its repository or copy and its
caches. Whoever copies plain files is followed by `sync -f`, since the others, too, have their data on disk when they end.
"""
import itertools
import os
import re
import shutil

from measure import Command, remove, shell, untimed


class Contender:
    """One program. `label` names it in the table; `version_argv` prints its version; `restores` says whether its restore
    is measured."""

    label = ""
    version_argv = []
    restores = True

    def version(self):
        talk = untimed(Command(self.version_argv)).decode(errors="replace")
        found = re.search(r"\d+(\.\d+)+\S*", talk)
        return found.group().rstrip(",") if found else "unknown"

    def prepare(self, state):
        """What a user does once, before the first backup; not timed."""

    def backup(self, source, state):
        """The command of a first backup, and of every later one, into the same state."""
        raise NotImplementedError

    def restore(self, state, target):
        """The command that brings the newest backup back below `target`, which does not exist yet."""
        raise NotImplementedError

    def restored(self, source, target):
        """Where `source` is found after `restore`."""
        return target / source.relative_to("/")


class Reverse(Contender):
    label = "reverse"

    def __init__(self, binaries):
        self.binaries = binaries
        self.version_argv = [binaries / "reverse-backup", "--version"]

    def tool(self, name, state):
        return [self.binaries / name, "-q", "--cache-dir", state / "cache"]

    def repository(self, state):
        return state / "repository"

    def backup(self, source, state):
        return Command([*self.tool("reverse-backup", state), "--no-progress", source, self.repository(state)])

    def restore(self, state, target):
        return Command([*self.tool("reverse-restore", state), self.repository(state), "latest", "-t", target])

    def restored(self, source, target):
        return target

    def verify(self, state, *options):
        return Command([*self.tool("reverse-verify", state), "--no-progress", *options, self.repository(state)])

    def flat_manifest(self, state):
        """Prints the newest revision as one document."""
        return Command([self.binaries / "reverse-snapshot", "show", "-q", "--cache-dir", state / "cache", "--yaml",
                        self.repository(state), "latest"])


class Md5sum(Contender):
    """What people run today to know the checksums of a tree; `at_once` files for each of two processes."""

    label = "xargs -P2 md5sum"
    version_argv = ["md5sum", "--version"]

    def __init__(self, at_once):
        self.at_once = at_once

    def backup(self, source, state):
        return shell('find "$1" -type f -print0 | xargs -0 -P2 -n "$2" md5sum', source, self.at_once)


class Cat(Contender):
    """The least that reading can cost."""

    label = "cat >/dev/null"
    version_argv = ["cat", "--version"]

    def backup(self, source, state):
        return shell('find "$1" -type f -exec cat {} + >/dev/null', source)


class ColdReverse(Reverse):
    """This project on a machine that has lost what it knew, where everything is stored."""

    label = "reverse, no catalog"

    def backup(self, source, state):
        remove(state / "cache")
        return Reverse.backup(self, source, state)


class Cp(Contender):
    label = "cp -a"
    version_argv = ["cp", "--version"]

    def backup(self, source, state):
        return shell('cp -a "$1" "$2" && sync -f "$2"', source, state / "copy")

    def restore(self, state, target):
        return Command(["cp", "-a", state / "copy", target])

    def restored(self, source, target):
        return target


class Find(Contender):
    """Not a backup, but the least that any program must do to see that nothing changed."""

    label = "find -printf"
    version_argv = ["find", "--version"]

    def backup(self, source, state):
        return Command(["find", source, "-printf", r"%s %T@\n"])


class Rsync(Contender):
    label = "rsync -a"
    restores = False  # as cp -a would
    version_argv = ["rsync", "--version"]

    def backup(self, source, state):
        return shell('rsync -a --delete "$1/" "$2/" && sync -f "$2"', source, state / "copy")


class Restic(Contender):
    label = "restic"
    version_argv = ["restic", "version"]

    def restic(self, state, *arguments):
        return Command(["restic", "-q", "--repo", state / "repository", "--password-file", state / "password",
                        "--cache-dir", state / "cache", *arguments])

    def prepare(self, state):
        (state / "password").write_text("bench\n")
        untimed(self.restic(state, "init"))

    def backup(self, source, state):
        return self.restic(state, "backup", source)

    def restore(self, state, target):
        return self.restic(state, "restore", "latest", "--target", target)

    def verify(self, state):
        return self.restic(state, "check", "--read-data")


class Borg(Contender):
    label = "borg"
    version_argv = ["borg", "--version"]

    def __init__(self):
        self.serial = itertools.count()
        self.newest = ""

    def environment(self, state):
        return {"BORG_BASE_DIR": str(state / "home"), "BORG_REPO": str(state / "repository"),
                "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}

    def prepare(self, state):
        untimed(Command(["borg", "init", "--encryption", "none"], self.environment(state)))

    def backup(self, source, state):
        self.newest = f"revision-{next(self.serial)}"
        return Command(["borg", "create", f"::{self.newest}", source], self.environment(state))

    def restore(self, state, target):
        return shell('mkdir "$1" && cd "$1" && exec borg extract "::$2"', target, self.newest,
                     env=self.environment(state))

    def verify(self, state):
        return Command(["borg", "check", "--verify-data"], self.environment(state))


class Md5sumObjects(Contender):
    """Not a backup: the sums of a repository's objects, by a process for each core."""

    label = "md5sum"
    version_argv = ["md5sum", "--version"]

    def __init__(self, repository):
        self.repository = repository

    def verify(self, state):
        return shell('find "$1" -type f -print0 | xargs -0 -r -n "$2" -P "$(nproc)" md5sum', self.repository / "objects",
                     max(1, min(64, self.objects() // (os.cpu_count() or 1))))

    def objects(self):
        return sum(1 for path in (self.repository / "objects").rglob("*") if path.is_file())


class OverSsh:
    """What the remote contenders have in common. They copy to `state` on this very machine, by way of `host` of a
    server.Server. What plain copies leave in the server's memory is written out by `sync -f`, as it is for local ones."""

    def __init__(self, server, host):
        self.server = server
        self.host = host


class ReverseSftp(OverSsh, Reverse):
    def __init__(self, server, host):
        OverSsh.__init__(self, server, host)
        Reverse.__init__(self, server.binaries)

    def backup(self, source, state):
        return self.remotely(Reverse.backup(self, source, state), state)

    def restore(self, state, target):
        return self.remotely(Reverse.restore(self, state, target), state)

    def verify(self, state, *options):
        return self.remotely(Reverse.verify(self, state, *options), state)

    def remotely(self, command, state):
        repository = self.repository(state)
        argv = [f"{self.host}:{repository}" if word == repository else word for word in command.argv]
        return Command(argv, self.server.environment)


class Sftp(OverSsh, Contender):
    """The client that comes with OpenSSH."""

    label = "sftp"
    version_argv = ["sh", "-c", "ssh -V 2>&1"]

    def batch(self, state, line):
        """Runs `line` as sftp's only command."""
        (state / "batch").write_text(line + "\n")
        return f"sftp -q -S '{self.server.home}/bin/ssh' -b '{state}/batch' {self.host}"

    def backup(self, source, state):
        line = self.batch(state, f'put -Rp "{source}" "{state}/copy"')
        return shell(f'{line} && sync -f "$1"', state)

    def restore(self, state, target):
        return shell(self.batch(state, f'get -Rp "{state}/copy" "{target}"'))

    def restored(self, source, target):
        return target


class RsyncSsh(OverSsh, Contender):
    label = "rsync -a"
    version_argv = ["rsync", "--version"]

    def backup(self, source, state):
        return shell('rsync -a --delete "$1/" "$2:$3/copy/" && sync -f "$3"', source, self.host, state,
                     env=self.server.environment)

    def restore(self, state, target):
        return Command(["rsync", "-a", f"{self.host}:{state}/copy/", f"{target}/"], self.server.environment)

    def restored(self, source, target):
        return target


class ResticSftp(OverSsh, Restic):
    def prepare(self, state):
        Restic().prepare(state)  # over the line it takes a minute, in hundreds of round trips

    def restic(self, state, *arguments):
        plain = Restic.restic(self, state, *arguments)
        repository = state / "repository"
        argv = [f"sftp:{self.host}:{repository}" if word == repository else word for word in plain.argv]
        return Command(argv, self.server.environment)


def peers():
    """The other backup programs."""
    return [Rsync(), Restic(), Borg()]


def absent(contenders):
    """Labels of those whose program is not there."""
    return [one.label for one in contenders if shutil.which(str(one.version_argv[0])) is None]
