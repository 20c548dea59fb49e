# SPDX-License-Identifier: Apache-2.0
"""Replay protection across the fleet: packets captured on the wire are sent again to every edge."""

import signal
import time
import unittest

from anylab.lab import wait_for
from anylab.ping import Ping
from anylab.replay import Attacker
from common import INNER, FleetTest

# Usage is reported once a second.
REPORTED_S = 1.5


class Replay(FleetTest):
    edges = ("ams", "sin", "sfo")

    @classmethod
    def set_up_fleet(cls):
        for number, edge in ((1, "ams"), (2, "sin")):
            cls.net.add_customer(f"cust{number}", number, edge, [f"{INNER[number]}/32"])
        cls.apply(cls.tunnel(1) + cls.tunnel(2))
        cls.wait_tunnels(2)
        for number in (1, 2):
            cls.start_swan(number).initiate()

    def accepted(self):
        """Packets of cust1 that each edge took."""
        time.sleep(REPORTED_S)
        return {name: sum(sa["packets_in"] for sa in sas) for name, sas in self.child_sas("acme/cust1").items()}

    def refused(self):
        """Packets that any edge refused as replays."""
        counters = [edge.ask("counters") for edge in self.net.edges.values()]
        return sum(one.get("drop_replay_seen", 0) + one.get("drop_replay_too_old", 0) for one in counters)

    def play(self, delay_s, seconds=2.0):
        """Pings for a while, everything repeated `delay_s` later; returns (sent, accepted again by edge)."""
        self.assert_ping("cust1", INNER[1], INNER[2])
        attacker = Attacker(self.net)
        before, refused = self.accepted(), self.refused()
        attacker.start("cust1", seconds + 1, delay_s)
        time.sleep(0.5)
        ping = Ping(self.net.lab, "cust1", INNER[1], INNER[2], interval_s=0.01)
        time.sleep(seconds)
        _, lost = ping.finish()
        recorded = attacker.finish()
        self.assertEqual(lost, 0, "an attacker makes no real packet fail")
        self.assertGreater(recorded, 50)
        after = self.accepted()
        again = {edge: after[edge] - before[edge] for edge in after}
        again[self.net.customers["cust1"]["edge"]] -= recorded
        if delay_s >= 0:
            self.assertEqual(sum(again.values()) + self.refused() - refused, len(self.edges) * recorded, "all arrived")
        return recorded, again

    def test_1_sent_again_at_once(self):
        recorded, again = self.play(0)
        print(f"replay at once: {recorded} packets, accepted again by edge: {again}")
        self.assertEqual(again["ams"], 0, "where the packets came first")
        self.assertLessEqual(sum(again.values()), 2 * recorded, "once at each other edge at most")

    def test_2_sent_again_a_second_later(self):
        recorded, again = self.play(1)
        print(f"replay after 1 s: {recorded} packets, accepted again by edge: {again}")
        self.assertEqual(again, {"ams": 0, "sin": 0, "sfo": 0})

    def test_3_an_edge_that_starts_knows_what_the_fleet_has_received(self):
        recorded, _ = self.play(-1)
        sfo = self.net.edges["sfo"]
        sfo.stop(signal.SIGKILL)
        sfo.start()
        wait_for("sfo to have the SAs", lambda: [sa for sa in sfo.child_sas("acme/cust1") if sa["state"] == "applied"])
        before, refused = self.accepted(), self.refused()
        Attacker(self.net).send_again()
        after = self.accepted()
        self.assertEqual(after, before)
        self.assertEqual(self.refused() - refused, len(self.edges) * recorded)
        self.net.route("cust1", "sfo")
        self.assert_ping("cust1", INNER[1], INNER[2])


if __name__ == "__main__":
    unittest.main()
