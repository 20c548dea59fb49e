# SPDX-License-Identifier: Apache-2.0
"""A lab: network namespaces, links between them and processes inside, all cleaned up at the end.

Everything a lab makes carries its name as a prefix (namespaces) or lies in its folder (files, pids), so that
`clean()` also finds what a killed predecessor left behind. Processes are ended by pid alone.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ANYSWAN_BUILD", ROOT / "build"))


class LabError(Exception):
    """Something the lab needs is missing or did not happen; the text says what and where to look."""


def wait_for(what, condition, timeout_s=20.0, pause_s=0.02):
    """Polls until `condition()` is true and returns its value; raises LabError naming `what` else."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_s:.0f} s in vain for: {what}")
        time.sleep(pause_s)


class Lab:
    def __init__(self, name):
        self.name = name
        self.dir = Path("/var/lib/anyswan-lab") / name
        self.dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._processes = {}

    # Namespaces and links.

    def ns(self, host):
        return f"{self.name}-{host}"

    def add_host(self, host):
        ns = self.ns(host)
        self.sh("ip", "netns", "add", ns)
        for key in ("all", "default"):
            self.run(host, "sysctl", "-qw", f"net.ipv4.conf.{key}.rp_filter=0",
                     f"net.ipv6.conf.{key}.accept_dad=0", f"net.ipv4.conf.{key}.send_redirects=0")
        self.run(host, "ip", "link", "set", "lo", "up")

    def link(self, host_a, host_b, cidr_a, cidr_b, dev_a=None, dev_b=None):
        """A veth pair; each side gets its comma-separated addresses. Returns the two device names."""
        dev_a, dev_b = dev_a or f"to-{host_b}"[:15], dev_b or f"to-{host_a}"[:15]
        self.sh("ip", "link", "add", "name", dev_a, "netns", self.ns(host_a), "type", "veth",
                "peer", "name", dev_b, "netns", self.ns(host_b))
        for host, dev, cidrs in ((host_a, dev_a, cidr_a), (host_b, dev_b, cidr_b)):
            for cidr in cidrs.split(","):
                nodad = ["nodad"] if ":" in cidr else []
                self.run(host, "ip", "addr", "add", cidr, "dev", dev, *nodad)
            self.run(host, "ip", "link", "set", dev, "up")
        return dev_a, dev_b

    def forward(self, host):
        self.run(host, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def ip(self, host, *words):
        return self.run(host, "ip", *words)

    def nft(self, host, rules):
        subprocess.run(["ip", "netns", "exec", self.ns(host), "nft", "-f", "-"], input=rules, text=True, check=True)

    # Commands.

    @staticmethod
    def sh(*words, check=True, timeout=60):
        done = subprocess.run([str(w) for w in words], text=True, capture_output=True, timeout=timeout)
        if check and done.returncode != 0:
            raise LabError(f"{' '.join(map(str, words))}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def run(self, host, *words, check=True, timeout=60):
        return self.sh("ip", "netns", "exec", self.ns(host), *words, check=check, timeout=timeout)

    def start(self, host, name, words, private_run=None, env=None):
        """A process in the host's namespace; its output goes to DIR/NAME.log. Returns the pid."""
        words = [str(w) for w in words]
        if private_run:
            # A mount namespace of its own, in which /run is private: several daemons think they are alone.
            words = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                     'mount --bind "$0" /run && exec "$@"', str(private_run), *words]
        with open(self.dir / f"{name}.log", "ab") as log:
            process = subprocess.Popen(["ip", "netns", "exec", self.ns(host), *words], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True,
                                       env={**os.environ, **(env or {})})
        (self.dir / f"{name}.pid").write_text(json.dumps({"pid": process.pid, "start": _start_time(process.pid)}))
        self._processes[name] = process
        return process

    def log(self, name):
        path = self.dir / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self, name, sig=signal.SIGTERM, timeout_s=10.0):
        """Ends a process that start() began (perhaps in an earlier run of the lab), by its pid."""
        path = self.dir / f"{name}.pid"
        if not path.exists():
            return
        known = json.loads(path.read_text())
        pid = known["pid"]
        # The pid may have been given to another process since: its start time tells.
        if _start_time(pid) == known["start"]:
            os.kill(pid, sig)
            if sig != signal.SIGKILL:
                _signal_family(pid, signal.SIGCONT)
            deadline = time.monotonic() + timeout_s
            while _start_time(pid) == known["start"] and time.monotonic() < deadline:
                child = self._processes.get(name)
                if child is not None:
                    child.poll()
                time.sleep(0.01)
            if _start_time(pid) == known["start"]:
                os.kill(pid, signal.SIGKILL)
        child = self._processes.pop(name, None)
        if child is not None:
            child.wait()
        path.unlink()

    def send_signal(self, name, sig):
        """Sends a signal ("STOP", ...) to a process that start() began and that still runs, and to its descendants."""
        child = self._processes.get(name)
        if child is not None and child.poll() is None:
            _signal_family(child.pid, getattr(signal, f"SIG{sig}"))

    def clean(self):
        """Ends every process and removes every namespace and file of this lab, also a predecessor's."""
        for path in sorted(self.dir.glob("*.pid")):
            self.end(path.stem, timeout_s=3.0)
        for line in self.sh("ip", "netns", "list").splitlines():
            ns = line.split()[0]
            if ns.startswith(self.name + "-"):
                self.sh("ip", "netns", "del", ns, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True, exist_ok=True, mode=0o700)


def _signal_family(pid, sig):
    """To a process and all its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
    family, found = [pid], [pid]
    while found:
        found = [one for one, parent in parents.items() if parent in found]
        family += found
    for one in family:
        try:
            os.kill(one, sig)
        except ProcessLookupError:
            pass


def _start_time(pid):
    """The kernel's start time of a live process; None if there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]
