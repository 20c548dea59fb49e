# SPDX-License-Identifier: Apache-2.0
"""The fleet under change: moves, a late edge, a store that is away, a deleted tunnel."""

import signal
import time
import unittest

from anylab.lab import wait_for
from anylab.ping import Ping, ping_once
from common import INNER, FleetTest


class Fleet(FleetTest):
    edges = ("ams", "sin", "sfo")

    @classmethod
    def set_up_fleet(cls):
        for number, edge in ((1, "ams"), (2, "sin")):
            cls.net.add_customer(f"cust{number}", number, edge, [f"{INNER[number]}/32"])
        cls.apply(cls.tunnel(1) + cls.tunnel(2))
        cls.wait_tunnels(2)
        for number in (1, 2):
            cls.start_swan(number).initiate()

    def ping(self, host="cust1"):
        return Ping(self.net.lab, host, INNER[1], INNER[2], interval_s=0.01)

    def test_1_twenty_moves_lose_only_what_was_in_flight(self):
        self.assert_ping("cust1", INNER[1], INNER[2])
        for move in range(20):
            ping = self.ping()
            time.sleep(0.15)
            self.net.route("cust1", self.edges[(move + 1) % 3])
            time.sleep(0.15)
            sent, lost = ping.finish()
            self.assertGreater(sent, 10)
            self.assertLessEqual(lost, 1, f"move {move}")
        self.assertEqual(self.swans["cust1"].established_count(), 1)

    def test_2_the_peers_liveness_check_is_answered_at_any_edge(self):
        owner = self.child_sas("acme/cust1")["ams"][0]["negotiated_on"]
        elsewhere = next(edge for edge in self.edges if edge != owner)
        self.net.route("cust1", elsewhere)
        before = self.net.edges[elsewhere].ask("counters").get("ike_relayed_out", 0)
        # Terminating sends a DELETE and waits for its answer: it can only come by way of the owner.
        out = self.swans["cust1"].terminate()
        self.assertIn("terminate completed successfully", out)
        self.assertGreater(self.net.edges[elsewhere].ask("counters")["ike_relayed_out"], before)
        self.wait_no_sas("acme/cust1")
        self.swans["cust1"].initiate()
        self.assert_ping("cust1", INNER[1], INNER[2])

    def test_3_thirty_seconds_without_the_store(self):
        net = self.net
        self.assert_ping("cust1", INNER[1], INNER[2])
        net.add_customer("cust3", 3, "sfo", ["10.3.0.1/32"])
        self.apply(self.tunnel(3))
        self.wait_tunnels(3)
        self.start_swan(3)
        ping = self.ping()
        net.nats.stop(signal.SIGTERM)
        stopped = time.monotonic()
        for edge in self.edges:
            wait_for(f"{edge} to notice", lambda e=edge: not net.edges[e].ask("edge")["store"]["connected"])
        self.swans["cust3"].initiate(timeout_s=25)
        time.sleep(max(0.0, 30 - (time.monotonic() - stopped)))
        net.nats.start()
        for edge in self.edges:
            wait_for(f"{edge} to have the tunnel made meanwhile",
                     lambda e=edge: [sa for sa in net.edges[e].child_sas("acme/cust3") if sa["state"] == "applied"], 30)
        sent, lost = ping.finish()
        self.assertGreater(sent, 1000)
        self.assertEqual(lost, 0)
        known = [net.edges[edge].child_sas() for edge in self.edges]
        self.assertEqual(len({frozenset(sa["inbound_spi"] for sa in sas) for sas in known}), 1, "all know the same")
        # The moves made edges take the lease from each other: they have Child SAs of their own, too.
        self.assertEqual(sum(not sa["made_for"] for sa in known[0]), 3, "nothing lost, nothing doubled")
        self.assert_ping("cust3", "10.3.0.1", INNER[2])

    def test_4_an_edge_that_starts_late_serves_as_soon_as_it_is_in_step(self):
        net = self.net
        net.route("cust1", "ams")
        self.assert_ping("cust1", INNER[1], INNER[2])
        net.edges["sfo"].stop(signal.SIGKILL)
        net.edges["sfo"].start()
        rows = {row["name"]: row for row in net.edges["ams"].ask("fleet")["edges"]}
        wait_for("fleet status to say that sfo is in step",
                 lambda: {r["name"]: r for r in net.edges["ams"].ask("fleet")["edges"]}["sfo"]["in_step"])
        net.route("cust1", "sfo")
        self.assertTrue(ping_once(net.lab, "cust1", INNER[1], INNER[2], timeout_s=2), rows)

    def test_5_a_deleted_tunnel_is_gone_everywhere(self):
        self.net.edges["ams"].cli("tunnel", "delete", "acme/cust2")
        self.wait_no_sas("acme/cust2")
        for name, edge in self.net.edges.items():
            wait_for(f"{name} to forget the tunnel",
                     lambda e=edge: "acme/cust2" not in [t["id"] for t in e.ask("tunnels")])
        self.assertFalse(ping_once(self.net.lab, "cust1", INNER[1], INNER[2], timeout_s=1))


if __name__ == "__main__":
    unittest.main()
