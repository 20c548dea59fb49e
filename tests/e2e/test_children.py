# SPDX-License-Identifier: Apache-2.0
"""A hundred Child SAs under one IKE SA: at each edge, and each with its own packets."""

import time
import unittest

from anylab.lab import wait_for
from anylab.ping import ping_once
from common import INNER, FleetTest

COUNT = 100
SOME = (1, 2, 37, 64, 99, 100)
# Two minutes would be a second each; 100 take a few seconds on an idle machine.
MAKE_WITHIN_S = 120


class Children(FleetTest):
    @classmethod
    def set_up_fleet(cls):
        cls.net.add_customer("cust1", 1, "ams", [f"10.1.0.{n}/32" for n in range(1, COUNT + 1)])
        cls.net.add_customer("cust2", 2, "sin", [f"{INNER[2]}/32"])
        cls.apply(cls.tunnel(1) + cls.tunnel(2))
        cls.wait_tunnels(2)
        cls.start_swan(2).initiate()
        cls.start_swan(1, local_ts="10.1.0.1/32", remote_ts="10.2.0.0/24", more_children="\n".join(
            f"net{n} {{ local_ts = 10.1.0.{n}/32\n remote_ts = 10.2.0.0/24\n esp_proposals = aes256gcm16 }}"
            for n in range(2, COUNT + 1))).initiate()

    def applied(self, edge):
        return [sa for sa in self.net.edges[edge].child_sas("acme/cust1") if sa["state"] == "applied"]

    def carried(self, edge, n):
        """Packets that this edge received on the Child SA of the customer's n-th address."""
        (sa,) = [sa for sa in self.applied(edge) if sa["remote_ts"] == [f"10.1.0.{n}/32"]]
        return sa["packets_in"]

    def test_1_they_are_made_and_reach_both_edges(self):
        began = time.monotonic()
        for n in range(2, COUNT + 1):
            out = self.swans["cust1"].swanctl("--initiate", "--child", f"net{n}", "--timeout", "20", check=False)
            self.assertIn("completed successfully", out)
        made = time.monotonic() - began
        for edge in self.edges:
            wait_for(f"{edge} to have all of them", lambda e=edge: len(self.applied(e)) == COUNT)
        print(f"{COUNT - 1} Child SAs one after another: {made:.1f} s, everywhere {time.monotonic() - began - made:.2f} s later")
        self.assertLess(made, MAKE_WITHIN_S)
        self.assertEqual(len({sa["inbound_spi"] for sa in self.applied("ams")}), COUNT)
        self.assertEqual(len({sa["ike_spi"] for sa in self.applied("ams")}), 1)
        self.assertEqual(self.swans["cust1"].established_count(), 1)

    def test_2_each_carries_its_own_packets_by_either_edge(self):
        for edge in self.edges:
            self.net.route("cust1", edge)
            for n in SOME:
                before = self.carried(edge, n)
                self.assertTrue(ping_once(self.net.lab, "cust1", f"10.1.0.{n}", INNER[2], count=3), f"10.1.0.{n} by {edge}")
                self.assertTrue(ping_once(self.net.lab, "cust2", INNER[2], f"10.1.0.{n}", count=3), f"to 10.1.0.{n} by {edge}")
                wait_for(f"10.1.0.{n} to have had six packets by {edge}", lambda e=edge, m=n, b=before: self.carried(e, m) == b + 6)


if __name__ == "__main__":
    unittest.main()
