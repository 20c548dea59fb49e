# SPDX-License-Identifier: Apache-2.0
"""What ./test runs. Groups run one after another; each prints what it did; the last line sums up."""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Group:
    """`always`: part of a plain ./test; else only by its name."""

    def __init__(self, text, run, always=True):
        self.text, self.run, self.always = text, run, always


# A line or so for each thing that failed; printed last, where a cut log still has them.
TROUBLES = []


def sh(*words, **options):
    return subprocess.run([str(w) for w in words], cwd=ROOT, **options)


def build(preset, *targets):
    """Builds a preset, or some of its targets; shows what the compiler said if it fails."""
    began = time.monotonic()
    sh("cmake", "--preset", preset, check=True, stdout=subprocess.DEVNULL)
    words = ["--target", *targets] if targets else []
    done = sh("cmake", "--build", "--preset", preset, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout[-8000:])
        raise subprocess.CalledProcessError(done.returncode, f"building preset {preset}")
    print(f"built preset {preset} in {time.monotonic() - began:.0f} s", flush=True)


def ctest(folder, *choice, env=None):
    """Runs the CTest tests that `choice` selects; returns (passed, failed). None at all is a failure."""
    done = sh("ctest", "--test-dir", folder, *choice, "--output-on-failure", "--timeout", "600", "--no-tests=error",
              stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    found = re.search(r"(\d+) tests failed out of (\d+)", done.stdout)
    passed_all = re.search(r"100% tests passed, 0 tests failed out of (\d+)", done.stdout)
    if done.returncode != 0 or not (found or passed_all):
        print(done.stdout)
        TROUBLES.extend(re.findall(r"^\s*\d+ - (\S+ \(.*\))$", done.stdout, re.M))
    if passed_all:
        return int(passed_all[1]), 0
    return (int(found[2]) - int(found[1]), int(found[1])) if found else (0, 1)


def lint():
    done = sh(sys.executable, "tools/tidy.py", stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    found = re.search(r"(\d+) passed, (\d+) failed", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 1)


def clang_tidy():
    build("dev", "anyswan_sa")  # the generated sources, and the compile commands
    files = [str(f) for f in sorted((ROOT / "src").rglob("*.cc")) if not f.stem.endswith("_test")]
    done = sh("run-clang-tidy-14", "-quiet", "-j", "2", "-p", "build-dev",
              "-extra-arg=-Wno-unknown-warning-option", *files, stdout=subprocess.PIPE,
              stderr=subprocess.DEVNULL, text=True)
    complaints = [line for line in done.stdout.splitlines() if re.search(r"(warning|error): ", line)]
    for line in complaints[:40]:
        print(line.replace(str(ROOT) + "/", ""))
    return (1, 0) if done.returncode == 0 and not complaints else (0, 1)


def labelled(label):
    def run():
        build("release")
        return ctest("build", "-L", f"^{label}$")
    return run


def unit_under_asan():
    build("asan", "unit_tests")
    return ctest("build-asan", "-L", "^unit$")


def fuzz():
    """Each target for half a minute; tools/fuzz --minutes 10 is the long form."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "fuzz.json"
        done = sh("tools/fuzz", "--seconds", "30", "--json", report)
        rows = json.loads(report.read_text()) if report.exists() else []
    for row in rows:
        if not row["passed"]:
            TROUBLES.append(f"fuzz_{row['target']}: {row['why']}")
            TROUBLES.extend(f"fuzz_{row['target']}: echo {text} | base64 -d > found; build-asan/fuzz_{row['target']} found"
                            for text in row["inputs"])
    passed = sum(row["passed"] for row in rows)
    return passed, len(rows) - passed or int(done.returncode != 0)


SIM_SECONDS = 30


def simulation():
    """All seeds that ever failed, then fresh ones for half a minute."""
    build("release", "anyswan-sim")
    rows = [line.split(None, 2) for line in (ROOT / "tests/data/sim/seeds.txt").read_text().splitlines()
            if line and not line.startswith("#")]
    counts = {True: 0, False: 0}

    def run(seed, steps):
        words = ["build/anyswan-sim", "--seed", seed, "--steps", steps]
        done = sh(*words, stdout=subprocess.PIPE, text=True)
        counts[done.returncode == 0] += 1
        if done.returncode != 0:
            print(done.stdout, flush=True)
            TROUBLES.append(f"{' '.join(str(word) for word in words)}: {done.stdout.splitlines()[0] if done.stdout else 'no word'}")

    for seed, steps, _ in rows:
        run(seed, steps)
    end = time.monotonic() + SIM_SECONDS
    while time.monotonic() < end:
        run(random.randrange(1 << 32), 60000)
    print(f"{len(rows)} seeds that once failed, {sum(counts.values()) - len(rows)} fresh ones", flush=True)
    return counts[True], counts[False]


# Programs in which threads meet. The edge itself has one thread, on a loop whose fences TSan cannot follow.
THREADED = ("store_memory", "store_sqlite", "dataplane_user")


def threads_under_tsan():
    build("tsan", *(f"test_{name}" for name in THREADED))
    return ctest("build-tsan", "-R", f"^({'|'.join(THREADED)})$")


def end_to_end():
    build("release")
    sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "labs")]
    suite = unittest.defaultTestLoader.discover(str(ROOT / "tests" / "e2e"), pattern=os.environ.get("E2E", "test_*.py"))
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    for test, text in result.failures + result.errors:
        TROUBLES.append(f"{test}: {text.strip().splitlines()[-1]}")
    return max(result.testsRun - bad, 0), bad


def interop():
    build("release", "anyswan")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "interop.json"
        done = sh("tests/interop/run", "--brief", "--json", report)
        results = json.loads(report.read_text()) if report.exists() else []
    # A row whose feature is not built yet says so; it is neither passed nor failed.
    passed = sum(result["state"] == "pass" for result in results)
    lost = [result for result in results if result["state"] == "fail" and not result["pending"]]
    TROUBLES.extend(f"{one['peer']} {one['case']} {one['role']}: {one['reason']}" for one in lost)
    bad = len(lost)
    return (passed, bad) if passed else (passed, bad or 1)


def kernel(*parts):
    def run():
        build("release", "anyswan", "test_dataplane_xfrm")
        sh("labs/kernel/setup", "uml", "qemu", check=True)
        done = sh(sys.executable, "tests/kernel/run.py", *parts, stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="")
        TROUBLES.extend(re.findall(r"^\[  FAILED  \] ([\w./]+)$", done.stdout, re.M))
        found = re.search(r"^(\d+) passed, (\d+) failed$", done.stdout, re.M)
        return (int(found[1]), int(found[2])) if found else (0, 1)
    return run


def demo():
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "demo.json"
        done = sh("./demo", "--json", report)
        figures = json.loads(report.read_text()) if report.exists() else {}
    good = done.returncode == 0 and figures.get("renegotiations") == 0 and len(figures.get("moves", [])) == 3
    return (1, 0) if good else (0, 1)


GROUPS = {
    "lint": Group("STYLE.md's promises: purity, layers, lengths, headers, format", lint),
    "tidy": Group("clang-tidy over all sources (15 minutes; only when named)", clang_tidy, always=False),
    "unit": Group("unit tests and vectors, as released", labelled("unit")),
    "asan": Group("the same under ASan and UBSan", unit_under_asan),
    "fuzz": Group("each fuzz target for 30 s (tools/fuzz --minutes 10 runs them longer)", fuzz),
    "sim": Group("fleets under faults on virtual time: seeds that once failed, then fresh ones for half a minute", simulation),
    "tsan": Group("the threads under TSan", threads_under_tsan),
    "store": Group("store conformance: memory, SQLite, real nats-servers", labelled("store")),
    "dataplane": Group("driver conformance, in namespaces", labelled("dataplane")),
    "e2e": Group("end to end: real strongSwan, real fleet (E2E=test_fleet.py runs one file)", end_to_end),
    "interop": Group("tunnels with other IKEv2 daemons, the brief part of tests/interop/run", interop),
    "kernel": Group("the kernel dataplane's driver, on real kernels in guests", kernel("policies", "interface")),
    "kernel-fleet": Group("a fleet of kernel edges with kernel peers, in a guest (only when named)", kernel("fleet"),
                          always=False),
    "kernel-long": Group("the same with twenty rekeys by each side (half an hour; only when named)", kernel("--long", "fleet"), always=False),
    "demo": Group("./demo, its figures judged", demo),
}


def main():
    parser = argparse.ArgumentParser(prog="./test", description="Runs the tests; no GROUP means all.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS) + "; none: all that --list doesn't except")
    parser.add_argument("--list", action="store_true", help="name the groups")
    options = parser.parse_args()
    if options.list:
        for name, group in GROUPS.items():
            print(f"{name:12} {group.text}")
        return 0
    unknown = [name for name in options.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}; ./test --list names them")
    passed = failed = 0
    rows = []
    for name in options.groups or [name for name, group in GROUPS.items() if group.always]:
        print(f"\n=== {name}: {GROUPS[name].text}", flush=True)
        began = time.monotonic()
        try:
            good, bad = GROUPS[name].run()
        except subprocess.CalledProcessError as trouble:
            print(f"{name}: {trouble}")
            good, bad = 0, 1
        rows.append(f"  {name:12} {good:4} passed {bad:3} failed  {time.monotonic() - began:5.0f} s")
        passed, failed = passed + good, failed + bad
    print("\n" + "\n".join(rows))
    if TROUBLES:
        print("\nWhat failed\n" + "\n".join(f"  {trouble}" for trouble in TROUBLES) + "\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
