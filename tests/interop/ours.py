# SPDX-License-Identifier: Apache-2.0
"""Our side of a cell: an edge that answers, or a branch connector that initiates."""

from anylab.fleet import Edge, Peer, make_fleet_key
from anylab.lab import LabError, wait_for
from anylab.peers.base import ChildState, IkeState, Status, without_groups, words_of
from network import ANYCAST, US

TUNNEL = "acme/router"
DATAPLANE = "[dataplane]\nmain_table_routes = true\n"


class Ours:
    """`initiates`: `anyswan peer`; else `anyswan edge` with the embedded store."""

    def __init__(self, net, initiates):
        self.net, self.initiates = net, initiates
        self.daemon = None

    def start(self, tunnel, remote, family, extra="", roams=False):
        """`roams`: as initiator, from whatever address the routes give."""
        lab = self.net.lab
        if self.initiates:
            self.daemon = Peer(lab, "us", "auto" if roams else US[family], remote, tunnel)
        else:
            store = f'type = "sqlite"\npath = "{lab.dir}/store.sqlite"'
            self.daemon = Edge(lab, "us", 1, US[4], list(ANYCAST.values()), store, make_fleet_key(lab), DATAPLANE + extra)
        self._check(self.daemon.config)
        if self.initiates:
            self.daemon.start()
            return
        path = lab.dir / "tunnels.toml"
        path.write_text(tunnel)
        path.chmod(0o600)
        self._check(path)
        self.daemon.start()
        self.daemon.cli("apply", "-f", path)
        wait_for("the edge to know its tunnel", lambda: self.daemon.ask("tunnels"))

    def _check(self, path):
        """A case whose options are refused says which, before anything starts."""
        done = self.daemon.cli("config", "check", path, check=False)
        if done.returncode != 0:
            first = (done.stderr or done.stdout).strip().splitlines()
            raise LabError("our configuration is refused: " + (first[0].split("/")[-1] if first else "no reason given"))

    def stop(self):
        if self.daemon is None:
            return
        self.daemon.stop()
        lab = self.net.lab
        for path in lab.dir.glob("store.sqlite*"):
            path.unlink()
        (lab.dir / "anyswan-us.log").unlink(missing_ok=True)
        self.daemon = None

    # Questions.

    def status(self):
        sas = self.daemon.ask("sas") or {"ike_sas": [], "child_sas": []}
        ike = []
        for sa in sas["ike_sas"]:
            if sa["state"] != "established":
                continue
            ike.append(IkeState(sa["our_spi"], sa["peer_spi"], words_of(sa["suite"]), sa["local"], sa["peer"]))
        children = tuple(ChildState(sa["inbound_spi"], sa["outbound_spi"], without_groups(sa["suite"].split("-")), sa["udp_encapsulation"])
                         for sa in sas["child_sas"] if sa["state"] == "applied")
        return Status(tuple(ike), children)

    def datagrams_in(self):
        """IKE datagrams received since the start."""
        return self.daemon.ask("counters").get("ike_datagrams_in", 0)

    def log(self):
        return self.daemon.log() if self.daemon else ""

    def last_complaint(self):
        """Our last sentence of level warning or error, without time and names."""
        lines = [line.split(" us ", 1)[-1] for line in self.log().splitlines() if " warning us " in line or " error us " in line]
        return lines[-1].split(" [tunnel")[0] if lines else ""

    # Orders.

    def rekey(self, spi):
        self._order("rekey", spi)

    def delete(self, spi):
        self._order("delete", spi)

    def redirect(self, *words):
        """Sends peers to another gateway; without words, no longer."""
        done = self.daemon.cli("redirect", *words, check=False)
        if done.returncode != 0:
            raise LabError(f"anyswan redirect {' '.join(words)}: {done.stderr.strip().splitlines()[:1]}")

    def _order(self, verb, spi):
        done = self.daemon.cli("sa", verb, spi, check=False)
        if done.returncode != 0:
            raise LabError(f"anyswan sa {verb} {spi}: {done.stderr.strip().splitlines()[:1]}")
