"""What is measured of copies between repositories: each subject takes the Bench and adds rows to its table."""
import statistics

import contenders
import measure
import server
from measure import Command
from report import Row
from sftp import add_rows, serving
from subjects import alternate, say

FIRST_LIMITS = {"cp -a": 1.3, "restic copy": 1 / 3}
AGAIN_SECONDS, AGAIN_ROUND_TRIPS, ONE_SECONDS = 0.2, 10, 2
LOGIN_ROUND_TRIPS = 7
NEW_FILES = 100


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


def shapes(bench, name):
    """The trees that a subject takes from the work directory."""
    if name == "sync-large":
        return [bench.sizes.large]
    return [] if bench.own_tree else [bench.sizes.small]


ALL = {"sync-first": first, "sync-large": large, "sync-again": again, "sync-one": one}
