"""Algorithms as bad as they come, installed for worker processes alone by a folder on their
PYTHONPATH."""

from pathlib import Path

SITE = '''
from algorithms.space.encoding import Cube
from algorithms.search import ALGORITHMS
from algorithms.search.catalogue.algorithm import Algorithm, Seeded
from algorithms.search.sampling import random_search

class Hostile:
    """Suggests as random search does, until it does something else."""
    def __init__(self, spec, seed, deed):
        self._search, self._deed = random_search(Cube(spec.parameters), seed), deed
        self._asked = 0
    def ask(self, count):
        self._asked += count
        if self._asked > 3:
            self._deed()
        return self._search.ask(count)
    def resume(self, assignment):
        self._asked += 1
        if self._asked > 3 and self._deed is nap:
            nap()
        return self._search.resume(assignment)
    def __getattr__(self, name):
        return getattr(self._search, name)

class Waiting:
    """Has a suggestion only while none of its trials runs, and no more than `most`."""
    def __init__(self, spec, seed, most):
        self._search, self._most = random_search(Cube(spec.parameters), seed), most
        self._asked = self._told = 0
    def ask(self, count):
        if self._told < self._asked or self._asked >= self._most:
            return []
        self._asked += 1
        return self._search.ask(1)
    def resume(self, assignment):
        return self.ask(1) == [assignment]
    def tell(self, trial, outcome):
        self._told += 1
    def __getattr__(self, name):
        return getattr(self._search, name)

def sleep():
    import time
    time.sleep(1e6)

def nap():
    import time
    time.sleep(1.5)

def spin():
    import re  # one call that never ends and holds the GIL
    re.match("(a+)+$", "a" * 64 + "b")

def eat():
    import numpy
    held = []
    while True:
        held.append(numpy.ones(2**20))

def leave():
    import os
    os._exit(3)

def crash():
    import os, signal
    os.kill(os.getpid(), signal.SIGSEGV)

def fail():
    raise ValueError("no idea")

def stop():
    raise SystemExit("enough")

def chat():
    import os
    for descriptor in range(3, 64):
        try: os.write(descriptor, b"x" * 64)
        except OSError: pass

def look():
    import json, os
    found = []
    for name in os.listdir("/proc/self/fd"):
        try: found.append(os.readlink("/proc/self/fd/" + name))
        except OSError: pass
    raise ValueError(json.dumps({"environment": dict(os.environ), "files": found}))

DEEDS = [sleep, nap, spin, eat, leave, crash, fail, stop, chat, look]

def line(deed):
    return Algorithm("", Seeded, lambda spec, seed: Hostile(spec, seed, deed))

ALGORITHMS.update({deed.__name__: line(deed) for deed in DEEDS})
for name, most in (("patient", 99), ("stuck", 3)):
    def create(spec, seed, most=most):
        return Waiting(spec, seed, most)
    ALGORITHMS[name] = Algorithm("", Seeded, create)
'''


def install(folder: Path) -> Path:
    """The folder to put on PYTHONPATH."""
    (folder / "sitecustomize.py").write_text(SITE)
    return folder
