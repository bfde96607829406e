"""What is measured. Each subject takes the Bench and adds rows to its table."""
import random
import statistics
import sys
from dataclasses import dataclass, field

import contenders
import measure
import trees
from report import Row

LIMITS = {"first-small": 1.3, "first-large": 1.3, "unchanged": 1.2, "restore": 1.5, "hash-large": 0.2,
          "hash-small": 0.5}  # times the floor
PEAK_LIMIT_MIB = 64
CHURN_LIMIT = 1 / 12         # of the bytes of one flat manifest for each revision
UNCHANGED_LIMIT_BYTES = 4000  # for each revision


@dataclass(frozen=True)
class Sizes:
    """How much work there is: the real bench, or one that only shows that everything still runs."""

    small: trees.Shape
    large: trees.Shape
    remote_small: trees.Shape
    one_large: trees.Shape
    memory_files: tuple      # this project alone
    memory_peer_files: int   # the others as well
    unchanged_files: tuple   # revisions without a change
    churn_files: int
    changed: int             # files changed between two revisions
    revisions: int
    circle_files: int        # of each machine
    circle_days: int
    many_files: int          # the tree of which nothing changes, or that is moved


FULL = Sizes(trees.small_files(60_000), trees.large_files(8, 512 << 20), trees.equal_files(10_000, 4096),
             trees.large_files(1, 256 << 20), (10_000, 100_000, 1_000_000), 100_000,
             (1_000, 8_000, 60_000), 60_000, 60, 100, 10_000, 30, 1_000_000)
QUICK = Sizes(trees.small_files(300), trees.large_files(2, 1 << 20), trees.equal_files(100, 4096),
              trees.large_files(1, 4 << 20), (50, 200), 50, (20, 200), 200, 5, 3, 200, 4, 400)


@dataclass
class Bench:
    sizes: Sizes
    rounds: int
    work: object             # pathlib.Path of the work directory: trees/ is kept, runs/ is not
    reverse: contenders.Reverse
    peers: list              # contenders.Contender, empty without peers
    own_tree: object = None  # a path to use instead of the tree of small files
    judge: bool = True       # False: the run is too small for its figures to be held against the limits
    rows: list = field(default_factory=list)

    def small_tree(self):
        return self.own_tree or self.tree(self.sizes.small)

    def tree(self, shape):
        return trees.ensure(shape, self.work / "trees")

    def fresh(self, name):
        """An empty directory for one run; an earlier one of that name is removed."""
        path = self.work / "runs" / name.replace(" ", "")
        measure.remove(path)
        path.mkdir(parents=True)
        return path

    def backed_up(self, contender, source):
        """A state of the contender that holds one backup of `source`."""
        state = self.fresh(f"{contender.label} state")
        contender.prepare(state)
        measure.untimed(contender.backup(source, state))
        return state

    def time(self, command):
        measure.flush(self.work)
        return measure.timed(command)

    def verdict(self, value, limit, text, at_least=False):
        if not self.judge:
            return ""
        sign, is_reached = ("≥", value >= limit) if at_least else ("≤", value <= limit)
        return f"{sign} {text}: {'reached' if is_reached else 'NOT REACHED'}"


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def build_trees(bench, shapes):
    """Builds what subjects need, before any of them runs, and lets it grow old enough."""
    for shape in dict.fromkeys(shapes):
        say(f"tree {shape.name}")
        bench.tree(shape)
    trees.settle(bench.work / "trees")


def shapes(bench, name):
    """The trees that a subject takes from the work directory."""
    sizes = bench.sizes
    if name in ("first-large", "hash-large"):
        return [sizes.large]
    if name == "memory":
        return [trees.tiny_files(files) for files in sizes.memory_files]
    if name == "manifests":
        return [trees.tiny_files(files) for files in (sizes.churn_files, *sizes.unchanged_files)]
    return [] if bench.own_tree else [sizes.small]


def alternate(bench, entrants, run):
    """Calls run(entrant, round) for all entrants in each round, another one leading each time, so that nobody always
    follows the same neighbour. Returns the samples of each entrant, in the order of `entrants`."""
    samples = [[] for _ in entrants]
    for turn in range(bench.rounds):
        say(f"round {turn + 1} of {bench.rounds}")
        for place in range(len(entrants)):
            number = (turn + place) % len(entrants)
            samples[number].append(run(entrants[number], turn))
    return samples


def add_rows(bench, work, entrants, samples, limit):
    """Adds a row for each entrant; the first of them is the floor, and the limit is for this project."""
    floor = statistics.median(one.seconds for one in samples[0])
    for number, (entrant, runs) in enumerate(zip(entrants, samples)):
        ratio = statistics.median(one.seconds for one in runs) / floor
        is_judged = entrant is bench.reverse or isinstance(entrant, contenders.ColdReverse)
        reach = bench.verdict(ratio, limit, f"{limit:g} × floor") if is_judged else ""
        bench.rows.append(Row(work, entrant.label, [one.seconds for one in runs], ratio=ratio if number else None,
                              peak_kib=max(one.peak_kib for one in runs), reach=reach))


def sample_first_backups(bench, source, entrants):
    measure.warm(source)

    def run(entrant, _):
        state = bench.fresh(f"{entrant.label} state")
        entrant.prepare(state)
        sample = bench.time(entrant.backup(source, state))
        measure.remove(state)
        return sample

    return alternate(bench, entrants, run)


def first_small(bench):
    entrants = [contenders.Cp(), bench.reverse, *bench.peers]
    samples = sample_first_backups(bench, bench.small_tree(), entrants)
    add_rows(bench, "first backup, small files", entrants, samples, LIMITS["first-small"])


def first_large(bench):
    entrants = [contenders.Cp(), bench.reverse, *bench.peers]
    samples = sample_first_backups(bench, bench.tree(bench.sizes.large), entrants)
    add_rows(bench, "first backup, large files", entrants, samples, LIMITS["first-large"])


def unchanged(bench):
    sample_unchanged(bench, "nothing changed", bench.small_tree(), LIMITS["unchanged"])


def sample_unchanged(bench, work, source, limit):
    entrants = [contenders.Find(), bench.reverse, *bench.peers]
    measure.warm(source)
    states = {entrant.label: bench.backed_up(entrant, source) for entrant in entrants}

    def run(entrant, _):
        return bench.time(entrant.backup(source, states[entrant.label]))

    add_rows(bench, work, entrants, alternate(bench, entrants, run), limit)


def hash_large(bench):
    hash_stored(bench, "hash, large files", bench.tree(bench.sizes.large), 1, LIMITS["hash-large"])


def hash_small(bench):
    hash_stored(bench, "hash, small files", bench.small_tree(), 200, LIMITS["hash-small"])


def hash_stored(bench, work, source, at_once, limit):
    """Everything is stored and nothing is known: what is measured is reading and hashing."""
    reverse = contenders.ColdReverse(bench.reverse.binaries)
    entrants = [contenders.Md5sum(at_once), contenders.Cat(), reverse]
    measure.warm(source)
    state = bench.backed_up(reverse, source)

    def run(entrant, _):
        return bench.time(entrant.backup(source, state))

    add_rows(bench, work, entrants, alternate(bench, entrants, run), limit)


def restore(bench):
    entrants = [contenders.Cp(), bench.reverse, *(peer for peer in bench.peers if peer.restores)]
    samples = sample_restores(bench, bench.small_tree(), entrants)
    add_rows(bench, "restore, small files", entrants, samples, LIMITS["restore"])


def sample_restores(bench, source, entrants):
    measure.warm(source)
    states = {entrant.label: bench.backed_up(entrant, source) for entrant in entrants}

    def run(entrant, turn):
        target = bench.fresh("restored") / "target"
        sample = bench.time(entrant.restore(states[entrant.label], target))
        if turn == 0:  # a restore that leaves something out is fast
            compare = measure.Command(["diff", "-r", "--no-dereference", source, entrant.restored(source, target)])
            measure.untimed(compare)
        measure.remove(target)
        return sample

    return alternate(bench, entrants, run)


def memory(bench):
    """One run each: a peak hardly varies, and a million files take their time."""
    for files in bench.sizes.memory_files:
        source = bench.tree(trees.tiny_files(files))
        measure.warm(source)
        entrants = [bench.reverse, *(bench.peers if files == bench.sizes.memory_peer_files else [])]
        for entrant in entrants:
            say(f"{entrant.label}, {files} files")
            state = bench.fresh(f"{entrant.label} state")
            entrant.prepare(state)
            for work in ["first backup", "nothing changed"]:
                sample = bench.time(entrant.backup(source, state))
                is_judged = entrant is bench.reverse
                reach = bench.verdict(sample.peak_kib / 1024, PEAK_LIMIT_MIB, f"{PEAK_LIMIT_MIB} MiB")
                bench.rows.append(Row(f"memory: {work}, {files:,} files", entrant.label, [sample.seconds],
                                      peak_kib=sample.peak_kib, reach=reach if is_judged else ""))
            measure.remove(state)


class Growth:
    """Bytes that a repository gains in heads and pages. (What it holds from its creation on is no manifest.)"""

    def __init__(self, repository):
        self.repository = repository
        self.objects = set()
        self.page_bytes = 0
        self.before = 0

    def since_last(self):
        self.count_new_pages(self.repository / "objects")
        heads = sum(path.stat().st_size for path in (self.repository / "manifests").rglob("*.yaml"))
        total = heads + self.page_bytes
        gained, self.before = total - self.before, total
        return gained

    def count_new_pages(self, objects):
        """Pages lie among the contents and are known by their first line (schema/FORMAT.md)."""
        for shard in objects.iterdir():
            for path in shard.iterdir():
                if path.name not in self.objects:
                    self.objects.add(path.name)
                    with open(path, "rb") as file:
                        self.page_bytes += path.stat().st_size if file.read(14) == b"# reverse page" else 0


def manifests(bench):
    manifests_changed(bench)
    for files in bench.sizes.unchanged_files:
        manifests_unchanged(bench, files)


def manifests_changed(bench):
    sizes = bench.sizes
    source = bench.fresh("churn") / "tree"
    measure.untimed(measure.Command(["cp", "-a", bench.tree(trees.tiny_files(sizes.churn_files)), source]))
    files = sorted(path for path in source.rglob("*") if path.is_file())
    rng = random.Random("churn")
    state = bench.fresh("churn state")
    growth = Growth(bench.reverse.repository(state))
    paged, flat = [], []
    for revision in range(sizes.revisions):
        say(f"revision {revision + 1} of {sizes.revisions}, {sizes.changed} of {sizes.churn_files} files changed")
        for path in rng.sample(files, sizes.changed):
            path.write_text(f"revision {revision} {rng.random()}\n")
        measure.untimed(bench.reverse.backup(source, state))
        paged.append(growth.since_last())
        flat.append(measure.count_output(bench.reverse.flat_manifest(state)))
    work = f"manifests: {sizes.revisions} revisions of {sizes.churn_files:,} files, {sizes.changed} changed"
    ratio = sum(paged) / sum(flat)
    bench.rows.append(Row(work, "one flat manifest each", flat, unit="B"))
    bench.rows.append(Row(work, bench.reverse.label, paged, unit="B", ratio=ratio,
                          reach=bench.verdict(ratio, CHURN_LIMIT, "1/12 of the sum")))


def manifests_unchanged(bench, files):
    source = bench.tree(trees.tiny_files(files))
    measure.warm(source)
    state = bench.backed_up(bench.reverse, source)
    growth = Growth(bench.reverse.repository(state))
    growth.since_last()
    gained = []
    for revision in range(bench.sizes.revisions):
        say(f"revision {revision + 1} of {bench.sizes.revisions}, nothing of {files} files changed")
        measure.untimed(bench.reverse.backup(source, state))
        gained.append(growth.since_last())
    work = f"manifests: {bench.sizes.revisions} revisions of {files:,} files, none changed"
    bench.rows.append(Row(work, bench.reverse.label, gained, unit="B",
                          reach=bench.verdict(max(gained), UNCHANGED_LIMIT_BYTES, "4 kB each")))


# In the order in which they run.
ALL = {"first-small": first_small, "unchanged": unchanged, "restore": restore, "first-large": first_large,
       "hash-large": hash_large, "hash-small": hash_small, "memory": memory, "manifests": manifests}
