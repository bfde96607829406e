"""What is measured of repositories on a server: each subject takes the Bench and adds rows to its table."""
import contextlib
import statistics

import contenders
import measure
import server
import trees
from report import Row
from subjects import alternate, sample_first_backups, sample_restores

PEAK_LIMIT_MIB = 96
LOGIN_ROUND_TRIPS = 7        # libssh's, before SFTP begins
UNCHANGED_ROUND_TRIPS = 5    # after the login
UNCHANGED_EXTRA_SECONDS = 1.2
CHANNEL_WINDOW = 2 << 20     # bytes that OpenSSH lets be on the way on one channel
WINDOWS_WANTED = 2.5
ONE_BYTE = trees.equal_files(1, 1)


@contextlib.contextmanager
def serving(bench):
    with server.Server(bench.reverse.binaries, bench.fresh("server")) as running:
        yield running


def remote_entrants(bench, running, host, with_client):
    """This project, then who else does the work; without peers only what comes with OpenSSH."""
    entrants = [contenders.ReverseSftp(running, host)]
    if with_client:
        entrants.append(contenders.Sftp(running, host))
    if bench.peers:
        entrants += [contenders.RsyncSsh(running, host), contenders.ResticSftp(running, host)]
    return entrants


def add_rows(bench, work, entrants, samples, limits, floor=None):
    """Adds a row for each entrant. `limits`: how many times the seconds of a label this project, the first, may take.
    `floor`: the label to which the ratios are given."""
    medians = {entrant.label: statistics.median(one.seconds for one in runs) for entrant, runs in zip(entrants, samples)}
    own = medians[entrants[0].label]
    for entrant, runs in zip(entrants, samples):
        peak_kib = max(one.peak_kib for one in runs)
        ratio = medians[entrant.label] / medians[floor] if floor in medians and entrant.label != floor else None
        verdicts = [bench.verdict(own / medians[label], limit, f"{limit:.3g} × {label}")
                    for label, limit in limits.items() if label in medians]
        verdicts.append(bench.verdict(peak_kib / 1024, PEAK_LIMIT_MIB, f"{PEAK_LIMIT_MIB} MiB"))
        bench.rows.append(Row(work, entrant.label, [one.seconds for one in runs], ratio=ratio, peak_kib=peak_kib,
                              reach=joined(verdicts) if entrant is entrants[0] else ""))


def large(bench):
    with serving(bench) as running:
        entrants = remote_entrants(bench, running, server.NEAR, with_client=True)
        samples = sample_first_backups(bench, bench.tree(bench.sizes.large), entrants)
        add_rows(bench, "sftp: first backup, large files, loopback", entrants, samples, {"sftp": 1 / 1.5, "rsync -a": 1},
                 floor="sftp")


def large_restore(bench):
    with serving(bench) as running:
        entrants = remote_entrants(bench, running, server.NEAR, with_client=True)
        samples = sample_restores(bench, bench.tree(bench.sizes.large), entrants)
        add_rows(bench, "sftp: restore, large files, loopback", entrants, samples, {"sftp": 1, "rsync -a": 1}, floor="sftp")


def small(bench):
    with serving(bench) as running:
        entrants = remote_entrants(bench, running, server.FAR, with_client=False)
        samples = sample_first_backups(bench, bench.tree(bench.sizes.remote_small), entrants)
        add_rows(bench, at_distance("first backup, files of 4 KiB"), entrants, samples, {"rsync -a": 1.5, "restic": 1 / 8},
                 floor="rsync -a")


def small_restore(bench):
    with serving(bench) as running:
        entrants = remote_entrants(bench, running, server.FAR, with_client=False)
        samples = sample_restores(bench, bench.tree(bench.sizes.remote_small), entrants)
        add_rows(bench, at_distance("restore, files of 4 KiB"), entrants, samples, {"rsync -a": 1.5}, floor="rsync -a")


class Near(contenders.ReverseSftp):
    """Without the distance: what is left of its time is not spent on round trips."""

    label = "reverse, no distance"


class Local(contenders.Reverse):
    label = "reverse, local"


def unchanged(bench):
    """The same run with the repository on this machine, on a server at no distance, and far away."""
    source = bench.small_tree()
    measure.warm(source)
    with serving(bench) as running:
        entrants = [contenders.ReverseSftp(running, server.FAR), Near(running, server.NEAR), Local(running.binaries)]
        if bench.peers:
            entrants += [contenders.RsyncSsh(running, server.FAR), contenders.ResticSftp(running, server.FAR)]
        states = {entrant.label: bench.backed_up(entrant, source) for entrant in entrants}
        samples = alternate(bench, entrants, lambda one, _: bench.time(one.backup(source, states[one.label])))
    work = at_distance("nothing changed")
    add_rows(bench, work, entrants, samples, {}, floor=Local.label)
    far, near, local = ([one.seconds for one in runs] for runs in samples[:3])
    extra = statistics.median(far) - statistics.median(local)
    bench.rows.append(Row(work, "more than local", [extra],
                          reach=bench.verdict(extra, UNCHANGED_EXTRA_SECONDS, f"{UNCHANGED_EXTRA_SECONDS} s")))
    trips = (statistics.median(far) - statistics.median(near)) * 1000 / server.ROUND_TRIP_MS
    most = LOGIN_ROUND_TRIPS + UNCHANGED_ROUND_TRIPS
    bench.rows.append(Row(work, "round trips, login included", [trips], unit="round trips",
                          reach=bench.verdict(trips, most + 0.5, f"{most}")))


class IntoRepository(contenders.ReverseSftp):
    """Into a repository that is there and a server that is known, as restic's is: what the line carries is asked, not what making
    one takes and trying out what the server can do."""

    def prepare(self, state):
        other = state / "other"
        other.mkdir(parents=True)
        (other / "file").write_bytes(b"first")
        measure.untimed(self.backup(other, state))


def one_large(bench):
    """The whole run; and what its bytes take: a run with a file of one byte logs in, and publishes, all the same."""
    shape = bench.sizes.one_large
    size = shape.files * shape.median_bytes
    with serving(bench) as running:
        entrants = remote_entrants(bench, running, server.FAR, with_client=True)
        entrants[0] = IntoRepository(running, server.FAR)
        whole = sample_first_backups(bench, bench.tree(shape), entrants)
        least = sample_first_backups(bench, bench.tree(ONE_BYTE), entrants)
    window = CHANNEL_WINDOW / (server.ROUND_TRIP_MS / 1000)
    for entrant, runs, others in zip(entrants, whole, least):
        own = entrant is entrants[0]
        beside = statistics.median(one.seconds for one in others)
        peak_kib = max(one.peak_kib for one in runs)
        for work, seconds in (("one large file, in channel windows", 0), ("its bytes alone, in channel windows", beside)):
            speeds = [size / (one.seconds - seconds) for one in runs]
            windows = statistics.median(speeds) / window
            reach = [bench.verdict(windows, WINDOWS_WANTED, f"{WINDOWS_WANTED} windows", at_least=True) if seconds else "",
                     bench.verdict(peak_kib / 1024, PEAK_LIMIT_MIB, f"{PEAK_LIMIT_MIB} MiB")]
            bench.rows.append(Row(at_distance(work), entrant.label, speeds, unit="B/s", ratio=windows, peak_kib=peak_kib,
                                  reach=joined(reach) if own else ""))


def joined(verdicts):
    return "; ".join(filter(None, verdicts))


def at_distance(work):
    return f"sftp: {work}, at {server.ROUND_TRIP_MS} ms"


def shapes(bench, name):
    """The trees that a subject takes from the work directory."""
    if name in ("sftp-large", "sftp-large-restore"):
        return [bench.sizes.large]
    if name in ("sftp-small", "sftp-small-restore"):
        return [bench.sizes.remote_small]
    if name == "sftp-one-large":
        return [bench.sizes.one_large, ONE_BYTE]
    return [] if bench.own_tree else [bench.sizes.small]


def missing(bench):
    """What a server would need and is not there, as words; "" if all is."""
    return ", ".join(server.missing(bench.reverse.binaries))


ALL = {"sftp-large": large, "sftp-large-restore": large_restore, "sftp-small": small,
       "sftp-small-restore": small_restore, "sftp-unchanged": unchanged, "sftp-one-large": one_large}
