"""bench/peers: the command line of the bench. See bench/README.md."""
import argparse
import dataclasses
import os
import pathlib
import sys
import tempfile

import contenders
import later
import measure
import report
import sftp
import subjects
import sync
import verify

LOCAL = {**subjects.ALL, **later.ALL, **verify.LOCAL}
REMOTE = {**sftp.ALL, **sync.ALL, **verify.REMOTE}
SUBJECTS = {**LOCAL, **REMOTE}  # in the order in which they run
ROOT = pathlib.Path(__file__).resolve().parents[2]
MARKER = ".reverse-bench"  # in every work directory, so that no other directory is ever emptied


def parse_arguments(argv):
    parser = argparse.ArgumentParser(prog="bench/peers", allow_abbrev=False,
                                     description="Times this project beside cp, find, rsync, restic and borg.")
    option = parser.add_argument
    option("subjects", nargs="*", metavar="SUBJECT", help=f"any of: {' '.join(SUBJECTS)} (default: all)")
    option("--rounds", type=int, metavar="N", help="runs of each command, of which the median counts (5)")
    option("--tree", type=pathlib.Path, metavar="DIR", help="a real tree, such as /usr/share, for the small files")
    option("--work", type=pathlib.Path, metavar="DIR", help="where trees and repositories go (${TMPDIR:-/tmp}/reverse-bench)")
    option("--bin", type=pathlib.Path, metavar="DIR", default=ROOT / "build/bin", help="where the tools are (build/bin)")
    option("--no-peers", action="store_true", help="only this project, cp and find; nothing but python3 is installed")
    option("--memory-files", type=numbers, metavar="N,N", help="tree sizes of memory (10000,100000,1000000)")
    option("--manifest-files", type=numbers, metavar="N,N", help="tree sizes of unchanged manifests (1000,8000,60000)")
    option("--markdown", type=pathlib.Path, metavar="FILE", help="append the table to FILE in Markdown")
    option("--quick", action="store_true", help="tiny trees and one round: shows that all works; the figures mean nothing")
    options = parser.parse_args(argv)
    for name in options.subjects:
        if name not in SUBJECTS:
            parser.error(f"no such subject: {name} (choose from {' '.join(SUBJECTS)})")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds takes a number from 1 up")
    if options.tree and not options.tree.is_dir():
        parser.error(f"no such directory: {options.tree}")
    return options


def numbers(text):
    return tuple(int(part) for part in text.split(","))


def make_bench(options):
    sizes = subjects.QUICK if options.quick else subjects.FULL
    if options.memory_files:
        sizes = dataclasses.replace(sizes, memory_files=options.memory_files)
    if options.manifest_files:
        sizes = dataclasses.replace(sizes, unchanged_files=options.manifest_files)
    peers = [] if options.no_peers else contenders.peers()
    reverse = contenders.Reverse(options.bin.resolve())
    if missing := contenders.absent([reverse, *peers]):
        raise measure.BenchError(f"not found: {', '.join(missing)} (tools are looked for in {reverse.binaries})")
    return subjects.Bench(sizes, options.rounds or (1 if options.quick else 5), work_directory(options.work), reverse,
                          peers, options.tree.resolve() if options.tree else None, judge=not options.quick)


def work_directory(wanted):
    """The work directory: a new or empty one, or one of an earlier run."""
    work = (wanted or pathlib.Path(tempfile.gettempdir()) / "reverse-bench").resolve()
    work.mkdir(parents=True, exist_ok=True)
    if not (work / MARKER).exists() and any(work.iterdir()):
        raise measure.BenchError(f"{work} holds other things: give an empty or new directory as --work")
    (work / MARKER).touch()
    return work


def notes(bench):
    """What a reader must know beside the machine: versions, privileges, and whether the figures mean anything."""
    tools = [contenders.Cp(), contenders.Find(), bench.reverse, *bench.peers]
    lines = [", ".join(f"{tool.label} {tool.version()}" for tool in tools),
             f"median of {bench.rounds}, {'as root' if os.geteuid() == 0 else 'as an ordinary user'}, "
             f"small files: {bench.own_tree or bench.sizes.small.name}"]
    if report.file_system(bench.work) != "ext4":
        lines.append("The work directory is not on ext4: these figures are not comparable with those on ext4.")
    if not bench.judge:
        lines.append("A quick run: it shows that everything works, and its figures mean nothing.")
    return lines


def publish(bench, markdown):
    if not bench.rows:
        return
    floor_kib = measure.launcher_peak_kib()
    head = report.heading(ROOT, bench.work, notes(bench))
    print("\n".join(head), report.plain_table(bench.rows, floor_kib), sep="\n\n")
    if markdown:
        with open(markdown, "a", encoding="utf-8") as file:
            title, *facts = head
            file.write("\n".join([f"\n### {title}\n", *(f"- {fact}" for fact in facts), "",
                                  report.markdown_table(bench.rows, floor_kib), ""]))


def choose(bench, wanted):
    """The subjects that are wanted, or all. Without a server only those who named its subjects are refused."""
    if absent := sftp.missing(bench):
        if set(wanted) & set(REMOTE):
            raise measure.BenchError(f"not found: {absent}")
        subjects.say(f"LEFT OUT: everything over SFTP. Not found: {absent}")
        return [name for name in LOCAL if not wanted or name in wanted]
    return [name for name in SUBJECTS if not wanted or name in wanted]


def shapes(bench, name):
    """The trees that a subject takes from the work directory."""
    if "verify" in name:
        return verify.shapes(bench, name)
    module = next((one for one in (later, sftp, sync) if name in one.ALL), subjects)
    return module.shapes(bench, name)


def main(argv):
    options = parse_arguments(argv)
    bench = make_bench(options)
    chosen = choose(bench, options.subjects)
    subjects.build_trees(bench, [shape for name in chosen for shape in shapes(bench, name)])
    try:
        for name in chosen:
            subjects.say(f"== {name}")
            SUBJECTS[name](bench)
    finally:  # hours of figures outlive the failure of a later subject
        publish(bench, options.markdown)
        measure.remove(bench.work / "runs")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (measure.BenchError, OSError) as error:
        sys.exit(f"bench/peers: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
