"""Trees to back up, made from fixed seeds: the same shape is the same tree, byte for byte, on every machine.

A finished tree has a marker beside it that holds its shape and the version of this file's recipe; a tree whose marker
differs is built again. Change RECIPE whenever the same shape would come out differently.
"""
import dataclasses
import json
import os
import random
import time
from dataclasses import dataclass

import measure

RECIPE = 1
SETTLE_SECONDS = 4  # files younger than 3 s when a scan starts are not trusted by the next one, so none may be
BLOCK_BYTES = 4 << 20
FILES_PER_DIRECTORY = 8
EXTENSIONS = ["txt", "html", "png", "gz", "py", "svg", "json", "h", "xml", "mo", "conf", "md"]
SYLLABLES = ["ba", "co", "den", "ex", "fi", "gra", "ho", "in", "ka", "lo", "mi", "no", "pre", "ra", "sys", "ti", "un", "vo"]


@dataclass(frozen=True)
class Shape:
    """What a tree is like. File sizes are log-normal: half of them below `median_bytes`, spread by `sigma`."""

    name: str
    files: int
    median_bytes: int
    sigma: float = 0.0            # 0: every file has exactly the median size
    text_share: float = 0.0       # share of files that compress about as text does; the others are random bytes
    duplicate_share: float = 0.0  # share of files whose content is that of an earlier one
    link_share: float = 0.0       # symbolic links for each file
    seed: int = 1


def small_files(files):
    """A tree like /usr/share: 60k files are about 0.9 GB, half of them below 3 KB, in directories up to ten deep."""
    return Shape(f"small-{files}", files, 3000, sigma=1.78, text_share=0.7, duplicate_share=0.08, link_share=0.04)


def tiny_files(files):
    """Hardly any content: what is measured here depends on the number of files, not on their bytes."""
    return Shape(f"tiny-{files}", files, 200, sigma=0.5, text_share=1.0)


def large_files(files, size_bytes):
    """Incompressible and all different, as video is."""
    return Shape(f"large-{files}x{size_bytes}", files, size_bytes)


def equal_files(files, size_bytes):
    """Small files all of one size and all different."""
    return Shape(f"equal-{files}x{size_bytes}", files, size_bytes)


def ensure(shape, trees):
    """Returns the directory of the tree below `trees`, building it unless it is there whole."""
    home = trees / shape.name
    marker = home / "marker.json"
    wanted = json.dumps({"recipe": RECIPE, **dataclasses.asdict(shape)}, indent=1)
    if marker.exists() and marker.read_text() == wanted:
        return home / "tree"
    measure.remove(home)
    (home / "tree").mkdir(parents=True)
    Builder(shape, home / "tree").build()
    marker.write_text(wanted)
    return home / "tree"


def settle(trees):
    """Waits until every tree below `trees` is old enough to be trusted by a second run."""
    youngest = max((marker.stat().st_mtime for marker in trees.glob("*/marker.json")), default=0)
    time.sleep(max(0.0, youngest + SETTLE_SECONDS - time.time()))


def regular_files(tree):
    return sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())


def change(tree, share, generator):
    """Replaces one file in `share` by another content; returns those."""
    paths = regular_files(tree)
    changed = generator.sample(paths, max(1, len(paths) // share))
    for path in changed:
        path.write_bytes(generator.randbytes(generator.randrange(1, 8000)))
    return changed


class Contents:
    """The content of file number i of a shape: the same for the same i, and different for another."""

    def __init__(self, shape):
        self.shape = shape
        rng = random.Random(f"words {shape.seed}")
        words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(4000)]
        self.pool = " ".join(rng.choices(words, k=200_000)).encode()

    def blocks(self, index):
        rng = random.Random(f"content {self.shape.seed} {index}")
        remaining = round(self.shape.median_bytes * rng.lognormvariate(0.0, self.shape.sigma))
        is_text = rng.random() < self.shape.text_share
        while remaining > 0:
            size = min(remaining, BLOCK_BYTES)
            yield self.text(rng, size) if is_text else rng.randbytes(size)
            remaining -= size

    def text(self, rng, size):
        pieces = [b"%016x\n" % rng.getrandbits(64)]  # so that even the shortest files differ
        length = len(pieces[0])
        while length < size:
            start = rng.randrange(len(self.pool) - 4096)
            pieces.append(self.pool[start:start + rng.randint(256, 4096)])
            length += len(pieces[-1])
        return b"".join(pieces)[:size]


class Builder:
    """Writes one tree."""

    def __init__(self, shape, root):
        self.shape = shape
        self.root = root
        self.rng = random.Random(f"layout {shape.seed}")
        self.contents = Contents(shape)

    def build(self):
        directories = self.make_directories(max(1, self.shape.files // FILES_PER_DIRECTORY))
        # Squaring crowds the first directories: a few hold hundreds of files, most a handful.
        homes = sorted(int(len(directories) * self.rng.random() ** 2) for _ in range(self.shape.files))
        for index, home in enumerate(homes):
            self.write_file(index, directories[home])

    def make_directories(self, count):
        made, depths = [self.root], [0]
        while len(made) < count:
            parent = self.rng.randrange(len(made))
            if depths[parent] == 10:
                continue
            made.append(made[parent] / f"{self.word()}{len(made):x}")
            depths.append(depths[parent] + 1)
            made[-1].mkdir()
        return made

    def write_file(self, index, directory):
        is_duplicate = index > 0 and self.rng.random() < self.shape.duplicate_share
        source = self.rng.randrange(index) if is_duplicate else index
        name = f"{self.word()}-{index:x}.{self.rng.choice(EXTENSIONS)}"
        path = os.path.join(directory, name)
        with open(path, "wb", buffering=0) as file:
            for block in self.contents.blocks(source):
                file.write(block)
        modified_ns = (1_577_836_800 + self.rng.randrange(150_000_000)) * 10**9 + self.rng.randrange(10**9)
        os.utime(path, ns=(modified_ns, modified_ns))
        if self.rng.random() < self.shape.link_share:
            os.symlink(name, path + ".link")

    def word(self):
        return "".join(self.rng.choices(SYLLABLES, k=self.rng.randint(2, 4)))
