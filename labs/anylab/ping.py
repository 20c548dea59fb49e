# SPDX-License-Identifier: Apache-2.0
"""Pings that run beside other work and count what was lost."""

import re
import signal
import subprocess
import tempfile

from .lab import LabError


class Ping:
    """Starts at once; finish() sends no more, waits for the stragglers and returns (sent, lost)."""

    def __init__(self, lab, host, source, target, interval_s=0.02, size=56, dont_fragment=False):
        words = ["ip", "netns", "exec", lab.ns(host), "ping", "-i", str(interval_s), "-I", source, "-s", str(size),
                 "-W", "2", target]
        if dont_fragment:
            words += ["-M", "do"]
        # A file: a full pipe would make ping stop after a thousand lines.
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(words, stdout=self.output, stderr=subprocess.STDOUT)

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=20)
        self.output.seek(0)
        out = self.output.read()
        self.output.close()
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
