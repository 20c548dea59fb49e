# SPDX-License-Identifier: Apache-2.0
"""Pings that run beside other work and count what was lost."""

import re
import signal
import subprocess

from .lab import LabError


class Ping:
    """Starts at once; finish() sends no more, waits for the stragglers and returns (sent, lost)."""

    def __init__(self, lab, host, source, target, interval_s=0.02, size=56, dont_fragment=False):
        words = ["ip", "netns", "exec", lab.ns(host), "ping", "-i", str(interval_s), "-I", source, "-s", str(size),
                 "-W", "2", target]
        if dont_fragment:
            words += ["-M", "do"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=20)
        found = re.search(r"(\d+) packets transmitted, (\d+) received", out)
        if not found:
            raise LabError(f"ping gave no figures:\n{out}")
        sent, received = int(found[1]), int(found[2])
        # The last one may have been on its way when the signal came.
        answered = {int(n) for n in re.findall(r"icmp_seq=(\d+)", out)}
        if sent > received and sent not in answered:
            sent -= 1
        return sent, sent - received


def ping_once(lab, host, source, target, count=1, timeout_s=2, size=56, extra=()):
    """Whether every one of `count` pings was answered."""
    done = subprocess.run(["ip", "netns", "exec", lab.ns(host), "ping", "-c", str(count), "-i", "0.05", "-W",
                           str(timeout_s), "-s", str(size), "-I", source, *extra, target],
                          text=True, capture_output=True)
    return done.returncode == 0 and f"{count} received" in done.stdout
