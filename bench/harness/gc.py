"""bench/gc: how long gc takes, and what that depends on. See bench/README.md."""
import json
import pathlib
import random
import shutil
import statistics
import sys
from dataclasses import dataclass, field

import command_line
import contenders
import measure
import server
import trees
from measure import Command
from command_line import say
from report import Row

SECONDS_LIMIT, PEAK_LIMIT_MIB = 15, 128
SFTP_SECONDS_LIMIT = 5
PAGE_RATIO_LIMIT, UNCHANGED_RATIO_LIMIT, PEER_RATIO_LIMIT = 1.3, 1.2, 5
CHANGED_SHARE = 1000  # one file in so many is another one in each revision


@dataclass
class Bench:
    work: pathlib.Path
    binaries: pathlib.Path
    quick: bool
    rounds: int
    rows: list = field(default_factory=list)

    def repository(self, files, revisions, unchanged=0):
        """A generated repository, kept for the next time. Each revision is followed by `unchanged` of the same."""
        path = self.work / f"generated-{files}-{revisions}-{unchanged}"
        done = path.with_suffix(".done")
        if not done.exists():
            say(f"making {path.name}")
            measure.remove(path)
            measure.untimed(Command([self.binaries / "bench-repository", path, files, revisions,
                                     max(1, files // CHANGED_SHARE), unchanged]))
            done.touch()
        return path

    def gc(self, repository, *options):
        return Command([self.binaries / "reverse-gc", "--cache-dir", self.work / "cache", *options, repository])

    def collect(self, repository, environment=None):
        """Samples of runs that find nothing to collect. The first is not counted: it fills the page cache."""
        samples = []
        for turn in range(self.rounds + 1):
            measure.flush(self.work)
            sample = measure.timed(Command(self.gc(repository, "-q").argv, environment or {}))
            samples += [sample] if turn else []
        return samples

    def pages(self, repository):
        return json.loads(measure.untimed(self.gc(repository, "-n", "--json")).splitlines()[-1])["pages_read"]

    def add(self, work, tool, samples, ratio=None, reach=""):
        self.rows.append(Row(work, tool, [one.seconds for one in samples], ratio=ratio,
                             peak_kib=max(one.peak_kib for one in samples), reach="" if self.quick else reach))


def median(samples):
    return statistics.median(one.seconds for one in samples)


def judged(value, limit, text):
    return f"{text}: {'reached' if value <= limit else 'NOT REACHED'}"


def large(bench):
    """A large repository, and the same with revisions in which nothing changed."""
    files, revisions = (2000, 3) if bench.quick else (1_000_000, 100)
    samples = bench.collect(bench.repository(files, revisions))
    seconds, peak = median(samples), max(one.peak_kib for one in samples) / 1024
    reach = judged(max(seconds / SECONDS_LIMIT, peak / PEAK_LIMIT_MIB), 1, f"≤ {SECONDS_LIMIT} s, ≤ {PEAK_LIMIT_MIB} MiB")
    bench.add(f"gc: {revisions} revisions of {files:,} files", "reverse", samples, reach=reach)
    same = bench.collect(bench.repository(files, revisions, 9))
    ratio = median(same) / seconds
    bench.add(f"gc: {10 * revisions} revisions, of which {9 * revisions} changed nothing", "reverse", same, ratio,
              judged(ratio, UNCHANGED_RATIO_LIMIT, f"≤ {UNCHANGED_RATIO_LIMIT} × the line above"))


def pages(bench):
    """Time for each distinct page, of few revisions and of ten times as many."""
    files, revisions = (2000, 3) if bench.quick else (100_000, 100)
    costs = []
    for count in (revisions, 10 * revisions):
        repository = bench.repository(files, count)
        samples = bench.collect(repository)
        read = bench.pages(repository)
        costs.append(median(samples) / read)
        ratio = costs[-1] / costs[0]
        bench.add(f"gc: {count} revisions of {files:,} files, {read:,} distinct pages: {costs[-1] * 1e6:.0f} µs for each",
                  "reverse", samples, ratio if len(costs) > 1 else None,
                  judged(ratio, PAGE_RATIO_LIMIT, f"≤ {PAGE_RATIO_LIMIT} × for each page") if len(costs) > 1 else "")


def peers(bench):
    """30 revisions of 60,000 files, of which five are to stay."""
    files, revisions, kept = (300, 8, 5) if bench.quick else (60_000, 30, 5)
    tree = bench.work / "tree"
    measure.remove(tree)
    shutil.copytree(trees.ensure(trees.small_files(files), bench.work / "trees"), tree, symlinks=True)
    state = bench.work / "state"
    measure.remove(state)
    entrants = [contenders.Reverse(bench.binaries), contenders.Restic()]
    for entrant in entrants:
        (state / entrant.label).mkdir(parents=True)
        entrant.prepare(state / entrant.label)
    generator = random.Random(1)
    for revision in range(revisions):
        say(f"revision {revision + 1} of {revisions}")
        for entrant in entrants:
            measure.untimed(entrant.backup(tree, state / entrant.label))
        trees.change(tree, 100, generator)
    reverse, restic = entrants
    commands = [restic.restic(state / restic.label, "forget", "--keep-last", kept, "--prune"),
                bench.gc(reverse.repository(state / reverse.label), "-q", "--keep-last", kept, "--grace", "0",
                         "--allow", "mass-gc")]
    samples = []
    for command in commands:
        measure.flush(bench.work)
        samples.append([measure.timed(command)])
    work = f"{kept} of {revisions} revisions of {files:,} files are kept, space is freed"
    bench.add(work, "restic", samples[0])
    ratio = median(samples[1]) / median(samples[0])
    bench.add(work, "reverse", samples[1], ratio, judged(ratio, 1 / PEER_RATIO_LIMIT, f"≤ 1/{PEER_RATIO_LIMIT} of restic's"))


def over_sftp(bench):
    """A repository on a server 50 ms away."""
    if absent := server.missing(bench.binaries):
        say(f"LEFT OUT: gc over SFTP. Not found: {', '.join(absent)}")
        return
    files, revisions = (600, 3) if bench.quick else (56_000, 10)
    repository = bench.repository(files, revisions)
    objects = sum(1 for path in (repository / "objects").glob("*/*"))
    home = bench.work / "server"
    measure.remove(home)
    with server.Server(bench.binaries, home) as running:
        samples = bench.collect(f"{server.FAR}:{repository}", running.environment)
    bench.add(f"gc over SFTP at {server.ROUND_TRIP_MS} ms: {revisions} revisions, {objects:,} objects, nothing to collect",
              "reverse", samples, reach=judged(median(samples), SFTP_SECONDS_LIMIT, f"≤ {SFTP_SECONDS_LIMIT} s"))


SUBJECTS = {"large": large, "pages": pages, "peers": peers, "sftp": over_sftp}


command_line.run(sys.argv[1:], "gc", "Times garbage collection.", SUBJECTS, Bench, needing_peers=("peers",))
