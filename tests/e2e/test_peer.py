# SPDX-License-Identifier: Apache-2.0
"""Our branch connector: raw ESP (no NAT, no UDP), IPv4 and IPv6 inside and outside, large packets."""

import signal
import unittest

from anylab.fleet import Peer, tunnel_toml
from anylab.lab import wait_for
from anylab.ping import ping_once
from anylab.topology import ANYCAST, ANYCAST6
from common import INNER, INNER6, PSK, FleetTest


class BranchConnector(FleetTest):
    @classmethod
    def set_up_fleet(cls):
        cls.peers = {}
        cls.apply(cls.tunnel(1) + cls.tunnel(2))
        cls.wait_tunnels(2)
        for number, edge in ((1, "ams"), (2, "sin")):
            cls.net.add_customer(f"cust{number}", number, edge, [f"{INNER[number]}/32", f"{INNER6[number]}/128"])

    def start_peer(self, number, ipv6=False, more="", extra=""):
        host = f"cust{number}"
        customer = self.net.customers[host]
        tunnel = tunnel_toml(f"acme/cust{number}", local_id=f"cust{number}.example", remote_id="anycast.example",
                             psk=PSK, local_prefixes=[f"10.{number}.0.0/24", f"fd0{number}::/64"],
                             remote_prefixes=["10.0.0.0/8", "fd00::/8"], more=more)
        peer = Peer(self.net.lab, host, customer["address6" if ipv6 else "address"], ANYCAST6 if ipv6 else ANYCAST,
                    tunnel, extra)
        peer.start()
        self.addCleanup(peer.stop)
        return wait_for(f"{host} to have a child SA; see {self.net.lab.dir}/anyswan-{host}.log",
                        lambda: [sa for sa in peer.child_sas() if sa["state"] == "applied"])[0], peer

    def both_ways(self):
        for size in (56, 1372, 4000):
            self.assert_ping("cust1", INNER[1], INNER[2], size=size)
            self.assert_ping("cust2", INNER6[2], INNER6[1], size=size)

    def test_raw_esp_over_ipv4(self):
        sa, _ = self.start_peer(1)
        self.start_peer(2)
        self.assertFalse(sa["udp_encapsulation"])
        self.both_ways()

    def test_raw_esp_over_ipv6(self):
        sa, _ = self.start_peer(1, ipv6=True)
        self.start_peer(2, ipv6=True)
        self.assertFalse(sa["udp_encapsulation"])
        self.both_ways()

    def test_forced_encapsulation_without_esn(self):
        more = 'nat_traversal = "force"\nesp = ["aes128-sha256"]'
        sa, _ = self.start_peer(1, more=more)
        self.start_peer(2, more=more)
        self.assertTrue(sa["udp_encapsulation"])
        self.both_ways()

    def test_tcp_over_a_1500_byte_path(self):
        self.start_peer(1)
        self.start_peer(2)
        self.assert_ping("cust1", INNER[1], INNER[2])
        lab = self.net.lab
        server = lab.start("cust2", "iperf3", ["iperf3", "-s", "-1", "--forceflush", "-B", INNER[2]])
        wait_for("iperf3 to listen", lambda: "listening" in lab.log("iperf3"))
        out = lab.run("cust1", "iperf3", "-c", INNER[2], "-B", INNER[1], "-n", "20M", "-J")
        server.wait()
        lab.end("iperf3")
        self.assertIn('"bytes":\t20', out.replace('"bytes": ', '"bytes":\t'))

    def test_path_mtu_is_told_to_the_sender(self):
        self.start_peer(1)
        self.start_peer(2)
        self.assert_ping("cust1", INNER[1], INNER[2])
        # Too big with DF: the connector answers with "fragmentation needed", so the kernel learns the MTU.
        self.assertFalse(ping_once(self.net.lab, "cust1", INNER[1], INNER[2], size=1472, extra=("-M", "do")))
        self.assertTrue(ping_once(self.net.lab, "cust1", INNER[1], INNER[2], size=1350, extra=("-M", "do")))

    def test_a_silent_fleet_is_noticed_and_the_tunnel_made_anew(self):
        sa, peer = self.start_peer(1, more='dpd = "2s"')
        self.start_peer(2)
        self.assert_ping("cust1", INNER[1], INNER[2])
        self.addCleanup(self.net.route, "cust1", "ams")
        self.net.cut("cust1")
        # The peer asks, is not answered, and starts again; that is answered once the route is back.
        wait_for("the peer to give its tunnel up", lambda: not peer.child_sas(), timeout_s=60)
        self.net.route("cust1", "sin")
        again = wait_for("a new child SA", lambda: [row for row in peer.child_sas() if row["state"] == "applied" and
                                                    row["inbound_spi"] != sa["inbound_spi"]], timeout_s=60)
        self.assertTrue(again)
        self.assert_ping("cust1", INNER[1], INNER[2])

    def test_a_dead_edge_is_not_noticed(self):
        sa, peer = self.start_peer(1, more='dpd = "2s"')
        self.start_peer(2)
        self.assert_ping("cust1", INNER[1], INNER[2])
        self.net.edges["ams"].stop(signal.SIGKILL)
        self.addCleanup(self.net.route, "cust1", "ams")
        self.addCleanup(self.net.edges["ams"].start)
        self.net.route("cust1", "sin")
        # Another edge takes the IKE SA over and answers the peer's liveness checks.
        wait_for("sin to go on with the IKE SA", lambda: "goes on with the IKE SA" in self.net.edges["sin"].log(), timeout_s=30)
        self.assert_ping("cust1", INNER[1], INNER[2])
        self.assertEqual([row["inbound_spi"] for row in peer.child_sas()], [sa["inbound_spi"]])



if __name__ == "__main__":
    unittest.main()
