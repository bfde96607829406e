"""What is measured of verification: each subject takes the Bench and adds rows to its table."""
import pathlib
import statistics

import contenders
import measure
import server
import sftp
from report import Row
from subjects import alternate

LARGE_LIMIT = 1 / 4          # of borg's time
SMALL_LIMIT = 1.5            # times md5sum of the same objects
WIRE_BYTES, WIRE_BYTES_EACH = 1 << 20, 300
QUICK_SECONDS = 4
LOOPBACK = pathlib.Path("/sys/class/net/lo/statistics/rx_bytes")


def verify_all(bench, source):
    """Samples of md5sum, this project, and the peers that verify contents, each of its own backup of `source`."""
    own = bench.backed_up(bench.reverse, source)
    entrants = [contenders.Md5sumObjects(bench.reverse.repository(own)), bench.reverse,
                *(peer for peer in bench.peers if hasattr(peer, "verify"))]
    states = {entrant.label: bench.backed_up(entrant, source) for entrant in entrants[2:]}
    states |= {entrant.label: own for entrant in entrants[:2]}
    for state in states.values():
        measure.warm(state)
    samples = alternate(bench, entrants, lambda one, _: bench.time(one.verify(states[one.label])))
    return entrants, samples


def add_rows(bench, work, entrants, samples, limits):
    """`limits`: how many times the seconds of a label this project may take."""
    medians = {entrant.label: statistics.median(one.seconds for one in runs) for entrant, runs in zip(entrants, samples)}
    for number, (entrant, runs) in enumerate(zip(entrants, samples)):
        verdicts = [bench.verdict(medians[entrant.label] / medians[label], limit, f"{limit:.3g} × {label}")
                    for label, limit in limits.items() if label in medians]
        ratio = medians[entrant.label] / medians[entrants[0].label]
        bench.rows.append(Row(work, entrant.label, [one.seconds for one in runs], ratio=ratio if number else None,
                              peak_kib=max(one.peak_kib for one in runs),
                              reach=sftp.joined(verdicts) if entrant is bench.reverse else ""))


def large(bench):
    entrants, samples = verify_all(bench, bench.tree(bench.sizes.large))
    add_rows(bench, "verify, large files", entrants, samples, {"borg": LARGE_LIMIT, "restic": 1})


def small(bench):
    entrants, samples = verify_all(bench, bench.small_tree())
    add_rows(bench, "verify, small files", entrants, samples, {"md5sum": SMALL_LIMIT})


def wire(bench, tree, files):
    """Bytes that a whole verification sends and receives. Loopback counts each packet with its headers, once."""
    with sftp.serving(bench) as running:
        entrant = contenders.ReverseSftp(running, server.NEAR)
        state = bench.backed_up(entrant, tree)
        objects = sum(1 for path in (entrant.repository(state) / "objects").rglob("*") if path.is_file())
        crossed = []
        for _ in range(bench.rounds):
            before = int(LOOPBACK.read_text())
            bench.time(entrant.verify(state))
            crossed.append(int(LOOPBACK.read_text()) - before)
    limit = WIRE_BYTES + WIRE_BYTES_EACH * objects
    bench.rows.append(Row(f"sftp: verify, {files}, {objects} objects, bytes over the wire", entrant.label, crossed,
                          unit="B", reach=bench.verdict(statistics.median(crossed), limit,
                                                        f"1 MiB + {WIRE_BYTES_EACH} B for each object")))


def wire_large(bench):
    wire(bench, bench.tree(bench.sizes.large), "large files")


def wire_small(bench):
    wire(bench, bench.small_tree(), "small files")


def quick(bench):
    with sftp.serving(bench) as running:
        entrant = contenders.ReverseSftp(running, server.FAR)
        state = bench.backed_up(entrant, bench.small_tree())
        samples = [bench.time(entrant.verify(state, "--quick")) for _ in range(bench.rounds)]
    seconds = [one.seconds for one in samples]
    bench.rows.append(Row(sftp.at_distance("verify --quick, small files"), entrant.label, seconds,
                          peak_kib=max(one.peak_kib for one in samples),
                          reach=bench.verdict(statistics.median(seconds), QUICK_SECONDS, f"{QUICK_SECONDS} s")))


def shapes(bench, name):
    """The trees that a subject takes from the work directory."""
    if name in ("verify-large", "sftp-verify"):
        return [bench.sizes.large]
    return [] if bench.own_tree else [bench.sizes.small]


LOCAL = {"verify-large": large, "verify-small": small}
REMOTE = {"sftp-verify": wire_large, "sftp-verify-small": wire_small, "sftp-verify-quick": quick}
