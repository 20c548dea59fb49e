# SPDX-License-Identifier: Apache-2.0
"""Pings that run beside other work and count what was lost."""

import re
import signal
import subprocess
import tempfile

from .lab import LabError


# Answers may be this late on a busy machine: what was asked shortly before the end is not judged.
STRAGGLERS_S = 0.2


class Ping:
    """Starts at once; finish() ends it and returns (sent, lost) of what had time to be answered. `lost` has the numbers then."""

    def __init__(self, lab, host, source, target, interval_s=0.02, size=56, dont_fragment=False):
        words = ["ip", "netns", "exec", lab.ns(host), "ping", "-i", str(interval_s), "-I", source, "-s", str(size),
                 "-W", "2", target]
        if dont_fragment:
            words += ["-M", "do"]
        self.unjudged = round(STRAGGLERS_S / interval_s) + 1
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
        answered = {int(number) for number in re.findall(r"bytes from .*icmp_seq=(\d+)", out)}
        sent -= min(self.unjudged, sent - max(answered, default=0))
        self.lost = sorted(set(range(1, sent + 1)) - answered)
        return sent, sent - received


def ping_once(lab, host, source, target, count=1, timeout_s=2, size=56, extra=()):
    """Whether each of the first `count` pings was answered, however late within `timeout_s`."""
    words = ["ip", "netns", "exec", lab.ns(host), "ping", "-c", str(count), "-i", "0.05", "-s", str(size), "-I", source]
    # Once something was answered, -W waits for two round trips only; -w waits, and asks on, until `count` were answered.
    words += ["-W" if count == 1 else "-w", str(timeout_s), *extra, target]
    done = subprocess.run(words, text=True, capture_output=True)
    answered = {int(number) for number in re.findall(r"bytes from .*icmp_seq=(\d+)", done.stdout)}
    return done.returncode in (0, 1) and set(range(1, count + 1)) <= answered
