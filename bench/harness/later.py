"""Later backups by this project: of a million files with nothing changed, of the same when all have moved, and with one in a hundred changed."""
import random
import statistics
import time

import measure
import subjects
import trees
from report import Row

UNCHANGED_LIMIT = 0.8  # times find
MOVED_LIMIT = 2.0      # times the run in which nothing changed
CHANGED_LIMIT = 1.3    # likewise, reading included


def shapes(bench, name):
    return [bench.sizes.small if name == "one-percent" else trees.tiny_files(bench.sizes.many_files)]


def unchanged_many(bench):
    files = bench.sizes.many_files
    subjects.sample_unchanged(bench, f"nothing changed, {files:,} files", bench.tree(trees.tiny_files(files)), UNCHANGED_LIMIT)


def moved_many(bench):
    """The tree hangs in a directory whose name changes before each run."""
    files = bench.sizes.many_files
    tree = bench.tree(trees.tiny_files(files))
    source = bench.fresh("moved") / "source"
    source.mkdir()
    place = tree.rename(source / "top-0")
    try:
        def change(turn):
            nonlocal place
            place = place.rename(source / f"top-{turn + 1}")

        sample_changed(bench, f"all moved, {files:,} files", source, change, MOVED_LIMIT)
    finally:
        place.rename(tree)


def one_percent(bench):
    source = bench.fresh("one percent") / "tree"
    measure.untimed(measure.Command(["cp", "-a", bench.tree(bench.sizes.small), source]))
    files = sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
    rng = random.Random("one percent")

    def change(turn):
        for path in rng.sample(files, len(files) // 100):
            path.write_text(f"turn {turn} {rng.random()}\n")

    sample_changed(bench, f"one of a hundred files changed, {len(files):,} files", source, change, CHANGED_LIMIT)


def grow_old(bench):
    """Files younger than that are read again by the next run."""
    if bench.judge:
        time.sleep(trees.SETTLE_SECONDS)


def sample_changed(bench, work, source, change, limit):
    """Each run after `change(turn)` is followed by one in which nothing changed: their medians are compared."""
    measure.warm(source)
    grow_old(bench)
    state = bench.backed_up(bench.reverse, source)
    command = bench.reverse.backup(source, state)
    changed, unchanged = [], []
    for turn in range(bench.rounds):
        change(turn)
        grow_old(bench)
        changed.append(bench.time(command))
        measure.untimed(command)  # knows again what was too fresh
        unchanged.append(bench.time(command))
    ratio = statistics.median(one.seconds for one in changed) / statistics.median(one.seconds for one in unchanged)
    for label, runs, reach in [("nothing changed", unchanged, ""),
                               ("changed", changed, bench.verdict(ratio, limit, f"{limit:g} × nothing changed"))]:
        bench.rows.append(Row(work, f"{bench.reverse.label}, {label}", [one.seconds for one in runs],
                              ratio=ratio if reach else None, peak_kib=max(one.peak_kib for one in runs), reach=reach))


ALL = {"unchanged-many": unchanged_many, "moved-many": moved_many, "one-percent": one_percent}
