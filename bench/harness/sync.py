"""What is measured of copies between repositories: each subject takes the Bench and adds rows to its table."""
import dataclasses
import hashlib
import random
import statistics

import contenders
import measure
import server
import trees
from measure import Command
from report import Row
from sftp import add_rows, serving
from subjects import alternate, say

FIRST_LIMITS = {"cp -a": 1.3, "restic copy": 1 / 3}
AGAIN_SECONDS, AGAIN_ROUND_TRIPS, ONE_SECONDS = 0.2, 10, 2
LOGIN_ROUND_TRIPS = 7
NEW_FILES = 100
CHANGED_SHARE = 100  # one file in so many is another one each day
CIRCLE_RATIO, LINEAR_RATIO = 1.05, 1.1


class ReverseSync(contenders.Reverse):
    """`state` holds the repository that is copied; each copy has a directory of its own."""

    def copy(self, state, target):
        return Command([*self.tool("reverse-sync", target), "--no-progress", self.repository(state), target / "copy"])


class ReverseSyncSftp(contenders.ReverseSftp):
    def copy(self, state, target):
        argv = [*self.tool("reverse-sync", target), "--no-progress", self.repository(state), f"{self.host}:{target}/copy"]
        return Command(argv, self.server.environment)


class CpRepository(contenders.Cp):
    def copy(self, state, target):
        return measure.shell('cp -a "$1" "$2" && sync -f "$2"', state / "repository", target / "copy")


class RsyncRepository(contenders.RsyncSsh):
    def copy(self, state, target):
        return measure.shell('rsync -a "$1/" "$2:$3/copy/" && sync -f "$3"', state / "repository", self.host, target,
                             env=self.server.environment)


class ResticCopy(contenders.Restic):
    label = "restic copy"

    def into(self, target, state, *arguments):
        return Command(["restic", "-q", "--repo", target / "repository", "--password-file", state / "password",
                        "--cache-dir", state / "cache", *arguments, "--from-repo", state / "repository",
                        "--from-password-file", state / "password"])

    def ready(self, state, target):
        measure.untimed(self.into(target, state, "init", "--copy-chunker-params"))

    def copy(self, state, target):
        return self.into(target, state, "copy")


def sample_copies(bench, entrants, states):
    """First copies, each into a directory of its own."""

    def run(entrant, _):
        target = bench.fresh(f"{entrant.label} copy")
        if isinstance(entrant, ResticCopy):
            entrant.ready(states[entrant.label], target)
        sample = bench.time(entrant.copy(states[entrant.label], target))
        measure.remove(target)
        return sample

    return alternate(bench, entrants, run)


def first(bench):
    source = bench.small_tree()
    own = ReverseSync(bench.reverse.binaries)
    own_state = bench.backed_up(own, source)
    entrants, states = [own, CpRepository()], {own.label: own_state, CpRepository.label: own_state}
    if bench.peers:
        restic = ResticCopy()
        entrants.append(restic)
        states[restic.label] = bench.backed_up(restic, source)
    measure.warm(own_state)
    samples = sample_copies(bench, entrants, states)
    add_rows(bench, "sync: first copy, small files", entrants, samples, FIRST_LIMITS, floor="cp -a")


def large(bench):
    with serving(bench) as running:
        own = ReverseSyncSftp(running, server.NEAR)
        state = bench.backed_up(bench.reverse, bench.tree(bench.sizes.large))
        entrants = [own] + ([RsyncRepository(running, server.NEAR)] if bench.peers else [])
        samples = sample_copies(bench, entrants, {entrant.label: state for entrant in entrants})
        add_rows(bench, "sync: first copy, large files, sftp on loopback", entrants, samples, {"rsync -a": 1},
                 floor="rsync -a")


def again(bench):
    """Nothing new in many revisions: on this machine, on a server at no distance, and far away."""
    source = bench.small_tree()
    state = bench.backed_up(bench.reverse, source)
    for revision in range(1, bench.sizes.revisions):
        say(f"revision {revision + 1} of {bench.sizes.revisions}")
        measure.untimed(bench.reverse.backup(source, state))
    with serving(bench) as running:
        local, near, far = (ReverseSync(running.binaries), ReverseSyncSftp(running, server.NEAR),
                            ReverseSyncSftp(running, server.FAR))
        local.label, near.label = "reverse, local", "reverse, no distance"
        entrants = [local, near, far]
        targets = {entrant.label: bench.fresh(f"{entrant.label} copy") for entrant in entrants}
        for entrant in entrants:
            measure.untimed(entrant.copy(state, targets[entrant.label]))
        samples = alternate(bench, entrants, lambda one, _: bench.time(one.copy(state, targets[one.label])))
    work = f"sync: nothing new in {bench.sizes.revisions} revisions"
    seconds = [[one.seconds for one in runs] for runs in samples]
    for entrant, runs, times in zip(entrants, samples, seconds):
        limit = bench.verdict(statistics.median(times), AGAIN_SECONDS, f"{AGAIN_SECONDS} s") if entrant is local else ""
        bench.rows.append(Row(work, entrant.label if entrant is not far else f"reverse, {server.ROUND_TRIP_MS} ms", times,
                              peak_kib=max(one.peak_kib for one in runs), reach=limit))
    trips = (statistics.median(seconds[2]) - statistics.median(seconds[1])) * 1000 / server.ROUND_TRIP_MS
    most = LOGIN_ROUND_TRIPS + AGAIN_ROUND_TRIPS
    bench.rows.append(Row(work, "round trips, login included", [trips], unit="round trips",
                          reach=bench.verdict(trips, most + 0.5, f"{most}")))


def one(bench):
    """A revision with a few new files, into a repository far away that has all before it."""
    source = bench.fresh("changing") / "tree"
    measure.untimed(Command(["cp", "-a", bench.small_tree(), source]))
    with serving(bench) as running:
        own = ReverseSyncSftp(running, server.FAR)
        state = bench.backed_up(bench.reverse, source)
        target = bench.fresh("far copy")
        measure.untimed(own.copy(state, target))
        samples = []
        for turn in range(bench.rounds):
            for number in range(min(NEW_FILES, bench.sizes.small.files)):
                (source / f"new {number}").write_text(f"{turn} {number}\n")
            measure.untimed(bench.reverse.backup(source, state))
            samples.append(bench.time(own.copy(state, target)).seconds)
    bench.rows.append(Row(f"sync: one revision, {NEW_FILES} new files, sftp at {server.ROUND_TRIP_MS} ms", own.label, samples,
                          reach=bench.verdict(statistics.median(samples), ONE_SECONDS, f"{ONE_SECONDS} s")))


class Circle:
    """A phone, a home and a work computer: the phone backs up to the one at home, and these two each its own files to its own
    repository and that one to the other's."""

    def __init__(self, bench, running):
        self.reverse = contenders.Reverse(running.binaries)
        self.environment = running.environment
        self.root = bench.fresh("circle")
        self.unique = {}  # bytes of each content that there ever was, by digest
        self.generator = random.Random(1)
        for machine, shape in zip(("phone", "home", "work"), circle_shapes(bench)):
            (self.root / machine).mkdir()
            measure.untimed(Command(["cp", "-a", bench.tree(shape), self.files(machine)]))
            self.note(trees.regular_files(self.files(machine)))

    def files(self, machine):
        return self.root / machine / "files"

    def repository(self, machine):
        return self.root / machine / "repository"

    def note(self, paths):
        for path in paths:
            content = path.read_bytes()
            self.unique[hashlib.sha256(content).digest()] = len(content)

    def back_up(self, machine, source, target):
        argv = [*self.reverse.tool("reverse-backup", self.root / machine), "--no-progress", "--host", machine, source, target]
        measure.untimed(Command(argv, self.environment))

    def day(self):
        for machine, other in (("phone", "home"), ("home", "work"), ("work", "home")):
            if self.repository(machine if machine != "phone" else "work").exists():  # not before the first day
                self.note(trees.change(self.files(machine), CHANGED_SHARE, self.generator))
            far = f"{server.NEAR}:{self.repository(other)}"
            if machine == "phone":
                self.back_up(machine, self.files(machine), far)
            else:
                self.back_up(machine, self.files(machine), self.repository(machine))
                self.back_up(machine, self.repository(machine), far)

    def held(self, machine):
        """Bytes of contents, and of heads and pages."""
        contents, manifests = 0, sum(path.stat().st_size for path in (self.repository(machine) / "manifests").glob("*/*/*"))
        for path in (self.repository(machine) / "objects").glob("*/*"):
            with open(path, "rb") as file:
                if file.read(15) == b"# reverse page ":
                    manifests += path.stat().st_size
                else:
                    contents += path.stat().st_size
        return contents, manifests


def circle(bench):
    """What the repositories of a circle hold, after many days."""
    days = bench.sizes.circle_days
    with serving(bench) as running:
        machines = Circle(bench, running)
        manifests = []
        for day in range(days):
            say(f"day {day + 1} of {days}")
            machines.day()
            manifests.append(machines.held("work")[1])
        contents = [machines.held(machine)[0] for machine in ("home", "work")]
    work = f"sync: circle of three machines, {days} days, {bench.sizes.circle_files:,} files each, 1 % changing a day"
    unique = sum(machines.unique.values())
    ratio = max(contents) / unique
    first, second = (statistics.mean(late - early for early, late in zip(half, half[1:]))
                     for half in (manifests[:days // 2 + 1], manifests[days // 2:]))
    bench.rows += [Row(work, "unique content", [unique], "B"),
                   Row(work, "contents in each repository", contents, "B", ratio,
                       reach=bench.verdict(ratio, CIRCLE_RATIO, f"{CIRCLE_RATIO} × unique content")),
                   Row(work, "heads and pages a day, first half", [first], "B"),
                   Row(work, "heads and pages a day, second half", [second], "B", second / first,
                       reach=bench.verdict(second / first, LINEAR_RATIO, f"{LINEAR_RATIO} × the first half"))]


def circle_shapes(bench):
    files = bench.sizes.circle_files
    return [dataclasses.replace(trees.small_files(files), name=f"small-{files}-{seed}", seed=seed) for seed in (1, 2, 3)]


def shapes(bench, name):
    """The trees that a subject takes from the work directory."""
    if name == "sync-circle":
        return circle_shapes(bench)
    if name == "sync-large":
        return [bench.sizes.large]
    return [] if bench.own_tree else [bench.sizes.small]


ALL = {"sync-first": first, "sync-large": large, "sync-again": again, "sync-one": one, "sync-circle": circle}
