"""bench/snapshot: how long it takes to look at revisions. See bench/README.md."""
import pathlib
import random
import statistics
import sys
from dataclasses import dataclass, field

import command_line
import measure
import server
import trees
from measure import Command
from command_line import say
from report import Row


@dataclass
class Bench:
    work: pathlib.Path
    binaries: pathlib.Path
    quick: bool
    rounds: int
    rows: list = field(default_factory=list)

    def generated(self, files, revisions, changed):
        """A generated repository, kept for the next time."""
        path = self.work / f"generated-{files}-{revisions}-{changed}"
        done = path.with_suffix(".done")
        if not done.exists():
            say(f"making {path.name}")
            measure.remove(path)
            measure.untimed(Command([self.binaries / "bench-repository", path, files, revisions, changed]))
            done.touch()
        return path

    def snapshot(self, verb, *words):
        return Command([self.binaries / "reverse-snapshot", verb, "--cache-dir", self.work / "cache", *words])

    def sample(self, command, before=lambda: None):
        """Samples of `command`; `before` is done before each, untimed."""
        return self.alternate((command, before))[0]

    def alternate(self, *runs):
        """Samples of each (command, before), which take turns, another one leading in each round."""
        samples = [[] for _ in runs]
        for turn in range(self.rounds):
            for place in range(len(runs)):
                number = (turn + place) % len(runs)
                command, before = runs[number]
                before()
                measure.flush(self.work)
                samples[number].append(measure.timed(command))
        return samples

    def add(self, work, tool, samples, floor=None, seconds=None, times=None):
        """A row, judged by its median: in `seconds`, or in `times` the median of `floor`."""
        median = statistics.median(one.seconds for one in samples)
        ratio = median / statistics.median(one.seconds for one in floor) if floor else None
        reach = ""
        if seconds is not None:
            reach = f"≤ {seconds} s: {'reached' if median <= seconds else 'NOT REACHED'}"
        elif times is not None:
            reach = f"≤ {times} × floor: {'reached' if ratio <= times else 'NOT REACHED'}"
        self.rows.append(Row(work, tool, [one.seconds for one in samples], ratio=ratio,
                             peak_kib=max(one.peak_kib for one in samples), reach="" if self.quick else reach))


def large(bench):
    """diff, ls and cat where a revision has a million entries."""
    files, changed = (3000, 10) if bench.quick else (1_000_000, 100)
    repository = bench.generated(files, 2, changed)
    bench.add(f"diff of two revisions of {files:,} files, {changed} changed", "reverse",
              bench.sample(bench.snapshot("diff", repository, "latest")), seconds=0.3)
    middle = f"latest:directory-{files // 60:06}"
    bench.add(f"ls of one directory of {files:,} files", "reverse",
              bench.sample(bench.snapshot("ls", repository, middle)), seconds=0.5)


def history(bench):
    """find by name and by digest over many revisions, with the cache and without."""
    files, revisions = (600, 10) if bench.quick else (60_000, 300)
    repository = bench.generated(files, revisions, files // 1000 + 1)
    by_name = bench.snapshot("find", repository, "file-00000042.txt")
    by_digest = bench.snapshot("find", repository, "--digest", "0123456789abcdef0123456789abcdef")
    of = f"over {revisions} revisions of {files:,} files"
    bench.add(f"find by name {of}, nothing cached", "reverse",
              bench.sample(by_name, lambda: measure.remove(bench.work / "cache")), seconds=5)
    bench.add(f"find by name {of}", "reverse", bench.sample(by_name), seconds=0.3)
    bench.add(f"find by digest {of}", "reverse", bench.sample(by_digest), seconds=0.3)


def views(bench):
    """A view beside `cp -al` of the same tree, and its update where one file in a hundred changed."""
    files = 300 if bench.quick else 60_000
    tree, repository = bench.work / "tree", bench.work / "repository"
    for path in (tree, repository, bench.work / "cache"):
        measure.remove(path)
    measure.untimed(Command(["cp", "-a", trees.ensure(trees.small_files(files), bench.work / "trees"), tree]))
    backup = Command([bench.binaries / "reverse-backup", "-q", "--cache-dir", bench.work / "cache", "--fsync", "none",
                      "--host", "desk", "--label", "home", tree, repository])
    measure.untimed(backup)
    generator = random.Random(1)
    paths = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    for path in generator.sample(paths, len(paths) // 100):
        path.write_bytes(generator.randbytes(generator.randrange(1, 8000)))
    measure.untimed(backup)
    copy, view = bench.work / "copy", bench.work / "view"
    make = bench.snapshot("view", "-q", repository, "desk/home~1", view)

    def remove_view():
        if view.exists():
            measure.untimed(bench.snapshot("view", "-q", "--remove", view))

    work = f"view of {files:,} files"
    floor, whole = bench.alternate((Command(["cp", "-al", tree, copy]), lambda: measure.remove(copy)),
                                   (make, remove_view))
    bench.add(work, "cp -al", floor)
    bench.add(work, "reverse", whole, floor, times=1.2)

    def make_anew():
        remove_view()
        measure.untimed(make)

    update = bench.sample(bench.snapshot("view", "-q", "--update", repository, "desk/home", view), make_anew)
    bench.add("view --update, 1 % changed, to the whole view", "reverse", update, whole, times=0.1)
    remove_view()


def far_views(bench):
    """A view of a repository on a server, 50 ms away."""
    if absent := server.missing(bench.binaries):
        say(f"LEFT OUT: views over SFTP. Not found: {absent}")
        return
    shape = trees.equal_files(100 if bench.quick else 10_000, 4096)
    place = bench.work / "server"
    for path in (place, bench.work / "cache"):
        measure.remove(path)
    tree = place / "tree"
    with server.Server(bench.binaries, place) as running:
        measure.untimed(Command(["cp", "-a", trees.ensure(shape, bench.work / "trees"), tree]))
        backup = Command([bench.binaries / "reverse-backup", "-q", "--cache-dir", bench.work / "cache", "--fsync", "none",
                          "--host", "desk", "--label", "home", tree, place / "repository"])
        measure.untimed(backup)
        paths = sorted(path for path in tree.rglob("*") if path.is_file())
        for path in random.Random(1).sample(paths, len(paths) // 100):
            path.write_bytes(b"changed " + path.name.encode())
        measure.untimed(backup)
        view, far = place / "view", f"{server.FAR}:{place}"

        def command(*words):
            return Command(bench.snapshot("view", "-q", *words).argv, running.environment)

        make = command(f"{far}/repository", "desk/home~1", f"{far}/view")

        def remove_view():
            if view.exists():
                measure.untimed(command("--remove", f"{server.NEAR}:{view}"))

        def make_anew():
            remove_view()
            measure.untimed(make)

        work = f"view of {shape.files:,} files over SFTP, {server.ROUND_TRIP_MS} ms"
        bench.add(work, "reverse", bench.sample(make, remove_view), seconds=3)
        update = command("--update", f"{far}/repository", "desk/home", f"{far}/view")
        bench.add(f"{work}: --update, 1 % changed", "reverse", bench.sample(update, make_anew), seconds=3)
    measure.remove(place)


SUBJECTS = {"large": large, "history": history, "views": views, "far-views": far_views}
command_line.run(sys.argv[1:], "snapshot", "Times looking at revisions.", SUBJECTS, Bench)
