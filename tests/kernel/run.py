# SPDX-License-Identifier: Apache-2.0
"""The kernel dataplane on real kernels, in guests: `./test kernel`, `./test kernel-fleet`. Each part runs in one boot of one guest.

    python3 tests/kernel/run.py [--long] [PART...]      all parts, or the named ones

--long: twenty rekeys by each side and twenty moves of each router (half an hour)."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ANYSWAN_BUILD", ROOT / "build"))
DRIVER = BUILD / "test_dataplane_xfrm"

# Name: guest, seconds, command. Debian's user-mode Linux has no xfrm interface, so it shows the way without one; QEMU has it.
# The fleet judges packets, so it has the machine to itself.
PARTS = {
    "policies": ("uml", 900, [DRIVER, "--gtest_filter=-XfrmInterface*", "--gtest_color=no"]),
    "interface": ("qemu", 1200, [DRIVER, "--gtest_filter=XfrmInterface*", "--gtest_color=no"]),
    "fleet": ("qemu", 1500, [sys.executable, "-m", "unittest", "-v", "tests.kernel.test_fleet"]),
}
LONG_LIMIT_S = 3600
OUT_OF_TIME, NO_STATUS = 124, 125


def judge(output):
    """(passed, failed) by what GoogleTest or unittest printed at its end."""
    google = re.search(r"\[  PASSED  \] (\d+) tests?\.", output)
    if google:
        failed = re.search(r"(\d+) FAILED TESTS?", output)
        return int(google[1]), int(failed[1]) if failed else 0
    ran = re.search(r"Ran (\d+) tests?", output)
    if ran:
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", output))
        return int(ran[1]) - bad, bad
    return 0, 1


def play(name):
    guest, limit_s, command = PARTS[name]
    if "KERNEL_ROUNDS" in os.environ:
        limit_s = LONG_LIMIT_S
    done = subprocess.run([ROOT / "labs/kernel/run", guest, "-t", str(limit_s), "-m", "2G", "--", *map(str, command)], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    passed, failed = judge(done.stdout)
    if done.returncode != 0:
        failed = failed or 1
        print(done.stdout[-12000:])
    else:
        print("".join(line for line in done.stdout.splitlines(True) if re.match(r" {5}\S.* lost|.*waited for their SA", line)), end="")
    if done.returncode in (OUT_OF_TIME, NO_STATUS):
        print(f"kernel {name}: the {guest} guest " + ("ran out of time" if done.returncode == OUT_OF_TIME else
                                                      "could not boot, or crashed") + ": that is a failure")
    print(f"kernel {name}: {passed} passed, {failed} failed ({guest} guest)", flush=True)
    return passed, failed


def main(words):
    if "--long" in words:
        words.remove("--long")
        os.environ["KERNEL_ROUNDS"] = "20"
    names = words or list(PARTS)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(play, [name for name in names if name != "fleet"]))
    results += [play(name) for name in names if name == "fleet"]
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
