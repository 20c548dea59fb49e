# SPDX-License-Identifier: Apache-2.0
"""Chooses the cells, plays them in a few labs beside each other, and reports."""

import argparse
import fnmatch
import json
import queue
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from anylab.lab import Lab
from anylab.peers import PEERS
from anylab.pki import Pki
from cases import BOTH, CASES
from cell import Cell, Result
from guests import IN_GUEST, Guests
from network import Network
from report import summary, write_report

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "anyswan-iop"


def parse(doc):
    parser = argparse.ArgumentParser(prog="tests/interop/run", description=doc.splitlines()[0])
    parser.add_argument("--peer", action="append", metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--case", action="append", metavar="NAME", help="a case, or a pattern of names")
    parser.add_argument("--role", action="append", choices=BOTH, help="ours")
    parser.add_argument("--list", action="store_true", help="name the peers and cases")
    parser.add_argument("--brief", action="store_true", help="what ./test plays: minutes, not an hour")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    parser.add_argument("--resume", metavar="FILE", help="keep the results there, and play only what has not passed yet")
    parser.add_argument("--lanes", type=int, default=2, help="cells played beside each other (default 2)")
    parser.add_argument("--keep", action="store_true", help="show both logs of a failed cell")
    return parser.parse_args()


def chosen(options):
    """The cells to play: [(peer class, case, role)]."""
    for name in options.peer or []:
        if name not in PEERS:
            raise SystemExit(f"interop: no peer {name}; there are {', '.join(PEERS)}")
    cases = [case for case in CASES
             if not options.case or any(fnmatch.fnmatchcase(case.name, pattern) for pattern in options.case)]
    if not cases:
        raise SystemExit(f"interop: no case {', '.join(options.case)}; tests/interop/run --list names them")
    names = [name for name in options.peer or PEERS if is_here(name, options)]
    return [(PEERS[name], case, role) for name in names for case in cases for role in case.roles
            if (not options.role or role in options.role) and (not options.brief or PEERS[name].in_brief(case.name))]


def is_here(name, options):
    """Whether the peer can run; what the brief run does without, it says."""
    why = PEERS[name].missing()
    if why is None:
        return True
    if options.brief and PEERS[name].optional:
        print(f"left out: {PEERS[name].title}: {why}")
        return False
    raise SystemExit(f"interop: {PEERS[name].title}: {why}")


def play(net, peer_class, case, role, keep):
    case = case.for_peer(peer_class)
    unable = [why for word, why in peer_class.cannot.items() if word in case.words(role)]
    if unable:
        return Result(peer_class.name, case.name, role, "cannot", unable[0])
    cell = Cell(net, case, peer_class, role)
    try:
        result = cell.run()
        if keep and result.state == "fail":
            print(f"--- {case.name}, we are {role}: our log\n{cell.us.log()}\n--- the peer's log\n{cell.peer.log()}")
        return result
    finally:
        cell.stop()


class Lanes:
    """Networks beside each other, each playing one cell at a time."""

    def __init__(self, count):
        shared = Lab(f"{PREFIX}-pki")
        shared.clean()
        self.folder = shared.dir
        pki = Pki(shared.dir)  # one for all lanes: its lock keeps two from making the same CA
        self.networks = [Network(f"{PREFIX}{number}", pki) for number in range(1, count + 1)]
        self.stopping = threading.Event()

    def run(self, cells, on_result, keep):
        waiting = queue.SimpleQueue()
        for cell in cells:
            waiting.put(cell)
        trouble = []
        threads = [threading.Thread(target=self._lane, args=(net, waiting, on_result, keep, trouble))
                   for net in self.networks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        shutil.rmtree(self.folder)
        if trouble:
            raise trouble[0]

    def _lane(self, net, waiting, on_result, keep, trouble):
        try:
            net.build()
            while not self.stopping.is_set():
                try:
                    peer_class, case, role = waiting.get_nowait()
                except queue.Empty:
                    return
                on_result(play(net, peer_class, case, role, keep))
        except Exception as why:  # handed to the caller
            trouble.append(why)
            self.stopping.set()
        finally:
            net.remove()


def show(result):
    mark = {"pass": "pass  ", "fail": "FAIL  ", "cannot": "can't "}[result.state]
    if result.pending:
        mark = {"pass": "PASS! ", "fail": "later "}.get(result.state, mark)
    print(f"{mark} {result.seconds:5.1f} s  {result.peer:18} {result.case:28} we are {result.role:9}"
          + (f"  {result.reason}" if result.reason else ""), flush=True)


def groups_for_guests(cells, brief):
    """The brief run boots one guest for all; the whole run one for each peer."""
    if brief:
        return [cells] if cells else []
    names = dict.fromkeys(peer.name for peer, _, _ in cells)
    return [[cell for cell in cells if cell[0].name == name] for name in names]


class Results:
    """What the cells ended in, also on disk after each cell if there is a file. With `resume`, earlier runs' count."""

    def __init__(self, path, resume):
        self.path = Path(path) if path else None
        self.by_cell = {}
        if resume and self.path.exists():
            for row in json.loads(self.path.read_text()):
                self._keep(Result(**row))

    def _keep(self, result):
        self.by_cell[result.peer, result.case, result.role] = result

    def add(self, result):
        self._keep(result)
        if self.path:
            self.path.write_text(json.dumps([asdict(result) for result in self.all()], indent=1) + "\n")

    def all(self):
        return list(self.by_cell.values())

    def settled(self, peer, case, role):
        before = self.by_cell.get((peer.name, case.name, role))
        return before is not None and (before.state != "fail" or before.theirs)

    def whole(self):
        return all((name, case.name, role) in self.by_cell for name in PEERS for case in CASES for role in case.roles)


def unexpected_end(result):
    """A failure nobody announced and that isn't the peer's; or a success of a case that says it can't work yet."""
    return result.state == ("pass" if result.pending else "fail") and not result.theirs


def main(doc):
    options = parse(doc)
    if options.list:
        print("Peers:")
        for name, peer in PEERS.items():
            print(f"  {name:20} {peer.title}")
        print("Cases:")
        for case in CASES:
            print(f"  {case.name:28} {case.group}: {case.title}")
        return 0
    everything = chosen(options)
    results = Results(options.resume or options.json, resume=bool(options.resume))
    cells = [cell for cell in everything if not results.settled(*cell)]
    here = [cell for cell in cells if IN_GUEST or not cell[0].needs_guest]
    lanes = Lanes(max(1, min(options.lanes, len(here)))) if here else None
    guests = Guests(options)
    stopped = threading.Event()

    def stop(number, frame):
        stopped.set()
        if lanes:
            lanes.stopping.set()
        guests.stop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, stop)
    began = time.monotonic()

    one_at_a_time = threading.Lock()

    def on_result(result):
        with one_at_a_time:
            results.add(result)
            show(result)
    away = groups_for_guests([cell for cell in cells if cell not in here], options.brief)
    with ThreadPoolExecutor(1) as beside:  # guests boot while cells are played here
        in_guests = beside.submit(guests.run, away, on_result)
        if lanes:
            lanes.run(here, on_result, options.keep)
        in_guests.result()
    if not options.brief and results.whole():
        write_report(ROOT / "docs" / "interop.md", results.all())
    unexpected = sum(unexpected_end(result) for result in results.all())
    print(summary(results.all()) + f"; {unexpected} unexpectedly; {time.monotonic() - began:.0f} s")
    return 1 if unexpected or stopped.is_set() else 0
