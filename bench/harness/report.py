"""The table: what was measured, and on what."""
import datetime
import os
import pathlib
import platform
import re
import statistics
import subprocess
from dataclasses import dataclass

HEADINGS = ["work", "tool", "median", "min – max", "× floor", "peak", "to reach"]


@dataclass
class Row:
    """One line of the table. `samples` are in `unit`: "s", "B", "B/s", or in something counted."""

    work: str
    tool: str
    samples: list
    unit: str = "s"
    ratio: float | None = None   # to the floor's line of the same work
    peak_kib: int | None = None  # largest of all runs
    reach: str = ""


def amount(value, unit):
    if unit == "s":
        return f"{value:.3f} s" if value < 1 else f"{value:.2f} s"
    if not unit.startswith("B"):
        return f"{value:.1f} {unit}"
    return f"{value:,.0f} {unit}" if value < 100_000 else f"{value / 1e6:,.2f} M{unit}"


def ratio_text(ratio):
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio >= 0.2 or ratio == 0 else f"1/{1 / ratio:.1f}"


def peak_text(peak_kib, floor_kib):
    """MiB. The launcher's own size hides whatever is smaller."""
    if peak_kib is None:
        return ""
    return f"{peak_kib / 1024:.1f} MiB" if peak_kib > floor_kib * 1.05 else f"< {floor_kib / 1024:.0f} MiB"


def cells(row, floor_kib):
    spread = f"{amount(min(row.samples), row.unit)} – {amount(max(row.samples), row.unit)}"
    return [row.work, row.tool, amount(statistics.median(row.samples), row.unit),
            spread if len(row.samples) > 1 else "one run", ratio_text(row.ratio), peak_text(row.peak_kib, floor_kib),
            row.reach]


def plain_table(rows, floor_kib):
    lines = [HEADINGS, *(cells(row, floor_kib) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def markdown_table(rows, floor_kib):
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(cells(row, floor_kib) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine(work):
    """One line: what the numbers depend on, as far as the system tells."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    ram_kib = int(re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE).group(1))
    return (f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} cores, {ram_kib / 2**20:.1f} GiB RAM, "
            f"{file_system(work)}, Linux {platform.release()}")


def file_system(path):
    """Its type; and of ext4 whether it lacks a journal, for then it is slow to make files where many were deleted minutes ago."""
    source, _, kind = output(["findmnt", "-n", "-f", "-o", "SOURCE,FSTYPE", "-T", path]).partition(" ")
    kind = kind.strip() or "unknown file system"
    if kind != "ext4":
        return kind
    try:
        options = pathlib.Path("/proc/fs/ext4", pathlib.Path(source).resolve().name, "options").read_text()
    except OSError:
        return kind
    return kind if "data=" in options else "ext4 WITHOUT A JOURNAL"


def commit(root):
    return output(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"]) or "unknown"


def output(argv):
    """What a program printed, or nothing where it is missing or failed."""
    try:
        return subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def heading(root, work, notes):
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    return [f"{today}, commit {commit(root)}", machine(work), *notes]
