# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: a small internet with edges, and tunnels between two customers."""

import sys
import unittest

from anylab.fleet import tunnel_toml
from anylab.lab import wait_for
from anylab.ping import ping_once
from anylab.strongswan import StrongSwan
from anylab.topology import ANYCAST, ANYCAST6, Topology

INNER = {1: "10.1.0.1", 2: "10.2.0.1"}
INNER6 = {1: "fd01::1", 2: "fd02::1"}
PSK = "the-psk-that-no-output-may-ever-show"


class FleetTest(unittest.TestCase):
    """A fleet for a class of tests; subclasses name their edges and add customers in set_up_fleet()."""

    edges = ("ams", "sin")
    lab_name = "anyswan-e2e"
    start_timeout_s = 20
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.net = Topology(cls.lab_name)
        cls.swans = {}
        cls.net.build(cls.edges)
        cls.net.nats.start()
        for edge in cls.edges:
            cls.make_edge(edge).start(wait=False)
        for edge in cls.edges:
            cls.net.edges[edge].wait_ready(cls.start_timeout_s)
        cls.set_up_fleet()

    @classmethod
    def make_edge(cls, name):
        return cls.net.make_edge(name)

    @classmethod
    def set_up_fleet(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        if cls._kept_logs():
            print(f"logs of {cls.__name__} are in {cls.net.lab.dir}", file=sys.stderr)
        else:
            cls.net.lab.clean()

    @classmethod
    def _kept_logs(cls):
        return False

    @classmethod
    def apply(cls, tunnels, edge=None):
        path = cls.net.lab.dir / "tunnels.toml"
        path.write_text(tunnels)
        path.chmod(0o600)
        name = edge or next(iter(cls.net.edges))
        cls.net.edges[name].cli("apply", "-f", path)

    @classmethod
    def wait_tunnels(cls, count):
        for name, edge in cls.net.edges.items():
            wait_for(f"{name} to know {count} tunnels", lambda e=edge: len(e.ask("tunnels") or []) == count)

    @classmethod
    def tunnel(cls, number, more=""):
        return tunnel_toml(f"acme/cust{number}", local_id="anycast.example", remote_id=f"cust{number}.example", psk=PSK,
                           local_prefixes=["10.0.0.0/8", "fd00::/8"],
                           remote_prefixes=[f"10.{number}.0.0/24", f"fd0{number}::/64"], more=more)

    @classmethod
    def swan_options(cls, number, host=None, ipv6=False, **more):
        customer = cls.net.customers[host or f"cust{number}"]
        options = dict(local=customer["address6" if ipv6 else "address"], remote=ANYCAST6 if ipv6 else ANYCAST,
                       local_id=f"cust{number}.example", remote_id="anycast.example", psk=PSK,
                       local_ts=f"10.{number}.0.0/24", remote_ts="10.0.0.0/8")
        options.update(more)
        return options

    @classmethod
    def start_swan(cls, number, host=None, **options):
        host = host or f"cust{number}"
        swan = StrongSwan(cls.net.lab, host)
        cls.swans[host] = swan
        swan.start(**cls.swan_options(number, host, **options))
        return swan

    def assert_ping(self, host, source, target, **options):
        wait_for(f"a ping from {source} to {target}",
                 lambda: ping_once(self.net.lab, host, source, target, timeout_s=1, **options), timeout_s=10)

    def child_sas(self, tunnel):
        return {name: edge.child_sas(tunnel) for name, edge in self.net.edges.items()}

    def wait_no_sas(self, tunnel):
        for name, edge in self.net.edges.items():
            wait_for(f"{name} to have no SA of {tunnel}", lambda e=edge: e.child_sas(tunnel) == [])
