"""The command line of a bench that times this project's own work, beside `bench/peers`."""

import argparse
import pathlib
import sys
import tempfile

import measure
import report

ROOT = pathlib.Path(__file__).resolve().parents[2]


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def parse(argv, name, description, subjects, needing_peers):
    parser = argparse.ArgumentParser(prog=f"bench/{name}", allow_abbrev=False, description=description)
    option = parser.add_argument
    option("subjects", nargs="*", metavar="SUBJECT", help=f"any of: {' '.join(subjects)} (default: all)")
    option("--rounds", type=int, default=5, metavar="N", help="runs of each command, of which the median counts (5)")
    option("--work", type=pathlib.Path, metavar="DIR",
           help=f"where repositories go (${{TMPDIR:-/tmp}}/reverse-bench-{name})")
    option("--bin", type=pathlib.Path, metavar="DIR", default=ROOT / "build/bin", help="where the tools are (build/bin)")
    if needing_peers:
        option("--no-peers", action="store_true", help="only this project")
    option("--quick", action="store_true", help="tiny repositories, one round: the figures mean nothing")
    options = parser.parse_args(argv)
    for subject in options.subjects:
        if subject not in subjects:
            parser.error(f"no such subject: {subject} (choose from {' '.join(subjects)})")
    left_out = needing_peers if needing_peers and options.no_peers else ()
    options.subjects = options.subjects or [subject for subject in subjects if subject not in left_out]
    return options


def run(argv, name, description, subjects, make_bench, needing_peers=()):
    """Runs those of `subjects` (functions of a bench, by name) that are asked for, and prints the table. `make_bench(work,
    binaries, quick, rounds)` gives what has `rows` and `rounds`."""
    options = parse(argv, name, description, subjects, needing_peers)
    work = (options.work or pathlib.Path(tempfile.gettempdir()) / f"reverse-bench-{name}").resolve()
    work.mkdir(parents=True, exist_ok=True)
    bench = make_bench(work, options.bin.resolve(), options.quick, 1 if options.quick else options.rounds)
    try:
        for subject in options.subjects:
            say(subjects[subject].__doc__.splitlines()[0])
            subjects[subject](bench)
    except measure.BenchError as error:
        sys.exit(f"bench/{name}: {error}")
    print("\n".join(report.heading(ROOT, work, [f"median of {bench.rounds}"])),
          report.markdown_table(bench.rows, measure.launcher_peak_kib()), sep="\n\n")
