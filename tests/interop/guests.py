# SPDX-License-Identifier: Apache-2.0
"""Peers that need a kernel with ESP: their cells are played by this same command in a guest (labs/kernel/run)."""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cell import Result

ROOT = Path(__file__).resolve().parents[2]
IN_GUEST = "KERNEL_LAB" in os.environ
SECONDS_PER_CELL = 120  # on a busy machine; OpenIKED rekeys by lifetime alone


class Guests:
    """One guest for each group of peers, two at a time."""

    def __init__(self, options):
        self.options = options
        self.running = []

    def run(self, groups, on_result):
        """`groups`: lists of cells. A guest that doesn't boot, or ends early, fails the cells it owes."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda cells: self._group(cells, on_result), groups))

    def _group(self, cells, on_result):
        owed = {(peer.name, case.name, role) for peer, case, role in cells}
        with tempfile.TemporaryDirectory(prefix="anyswan-interop.") as folder:
            report = Path(folder) / "results.json"
            done = self._play(cells, report)
            results = json.loads(report.read_text()) if report.exists() else []
        for row in results:
            result = Result(**row)
            owed.discard((result.peer, result.case, result.role))
            on_result(result)
        why = " ".join((done.stderr.strip().splitlines() or ["no word"])[-1].split())
        for peer, case, role in sorted(owed):
            on_result(Result(peer, case, role, "fail", f"the guest ended with status {done.returncode}: {why}"))

    def _play(self, cells, report):
        options, limit_s = self.options, 120 + SECONDS_PER_CELL * len(cells)
        words = [ROOT / "labs/kernel/run", "uml", "-t", limit_s, "-d", report.parent, "--", ROOT / "tests/interop/run",
                 "--lanes", 1, "--json", report]
        for name in dict.fromkeys(peer.name for peer, _, _ in cells):
            words += ["--peer", name]
        cases = dict.fromkeys(case.name for _, case, _ in cells)
        for flag, values in (("--case", cases), ("--role", options.role)):
            for value in values or []:
                words += [flag, value]
        words += [flag for flag, on in (("--brief", options.brief), ("--keep", options.keep)) if on]
        process = subprocess.Popen([str(word) for word in words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.running.append(process)
        out, errors = process.communicate()
        if options.keep:
            sys.stdout.write(out)
        return subprocess.CompletedProcess(words, process.returncode, out, errors)

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                process.terminate()
