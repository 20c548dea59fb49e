# SPDX-License-Identifier: Apache-2.0
"""Two edges with traffic for one router: with `per-edge` and `auto` each gets a Child SA of its own to send on."""

import signal
import time
import unittest

from anylab.lab import wait_for
from anylab.ping import Ping
from common import INNER, FleetTest

ROUTER = "10.3.0.1"
# The fleet ids of the edges, in the order of their names.
AMS, SIN = 1, 2


class Senders(FleetTest):
    """cust1 at ams and cust2 at sin talk to cust3, which is at sfo."""

    edges = ("ams", "sin", "sfo")
    rules = {3: "per-edge"}
    lost_at_first_max = 2

    @classmethod
    def set_up_fleet(cls):
        inner = {**INNER, 3: ROUTER}
        for number, edge in ((1, "ams"), (2, "sin"), (3, "sfo")):
            cls.net.add_customer(f"cust{number}", number, edge, [f"{inner[number]}/32"])
        cls.apply("".join(cls.tunnel(number, f'sender_rule = "{cls.rules.get(number, "pinned")}"\nreplay_window = 32')
                          for number in (1, 2, 3)))
        cls.wait_tunnels(3)
        for number in (1, 2, 3):
            cls.start_swan(number).initiate()

    def pings(self):
        return [Ping(self.net.lab, f"cust{number}", INNER[number], ROUTER, interval_s=0.01) for number in (1, 2)]

    def made_for(self):
        """The edges that have a Child SA of their own, as each edge knows it."""
        return {name: sorted(sa["made_for"] for sa in sas if sa["made_for"] and sa["state"] == "applied")
                for name, sas in self.child_sas("acme/cust3").items()}

    def leases_claimed(self):
        return sum(edge.ask("counters").get("lease_claimed", 0) for edge in self.net.edges.values())

    def replays_refused(self):
        return self.swans["cust3"].log().count("sequence number verification failed")

    def assert_own_sas(self):
        # Whoever holds the lease of the first SA needs no other, so one of the two may do without.
        wait_for("a Child SA for an edge, known at all",
                 lambda: all(made and set(made) <= {AMS, SIN} for made in self.made_for().values()))

    def test_1_each_sends_on_its_own_and_nothing_is_lost(self):
        for number in (1, 2):
            self.assert_ping(f"cust{number}", INNER[number], ROUTER)
        begin = self.pings()
        self.assert_own_sas()
        time.sleep(0.5)
        # A packet under way is too old for the router's window once another edge took the lease.
        lost = [ping.finish()[1] for ping in begin]
        self.assertLessEqual(sum(lost), self.lost_at_first_max)
        refused = self.replays_refused()
        claimed = self.leases_claimed()
        pings = self.pings()
        time.sleep(3)
        for ping in pings:
            sent, lost = ping.finish()
            self.assertGreater(sent, 100)
            self.assertEqual(lost, 0)
        self.assertLessEqual(self.leases_claimed() - claimed, 2, "no lease goes to and fro")
        self.assertEqual(self.replays_refused(), refused)
        self.assertEqual(self.swans["cust3"].established_count(), 1)

    def test_2_a_rekey_keeps_them_apart(self):
        before = self.made_for()
        known = {sa["inbound_spi"] for sa in self.net.edges["ams"].child_sas("acme/cust3")}
        pings = self.pings()
        self.swans["cust3"].swanctl("--rekey", "--child", "net")
        wait_for("heirs of all", lambda: all(not known & {sa["inbound_spi"] for sa in sas}
                                             for sas in self.child_sas("acme/cust3").values()))
        time.sleep(1)
        self.assertEqual(self.made_for(), before)
        for ping in pings:
            _, lost = ping.finish()
            self.assertEqual(lost, 0)

    def test_3_what_was_made_for_a_dead_edge_serves_others(self):
        self.assert_own_sas()
        dead = {AMS: "ams", SIN: "sin"}[self.made_for()["sfo"][0]]
        customer = {"ams": "cust1", "sin": "cust2"}[dead]
        self.net.edges[dead].stop(signal.SIGKILL)
        self.net.route(customer, "sfo")
        self.assert_ping(customer, INNER[int(customer[-1])], ROUTER)
        self.net.edges[dead].start()
        self.net.route(customer, dead)
        self.assert_ping(customer, INNER[int(customer[-1])], ROUTER)


class Automatic(Senders):
    """The same by itself, as soon as the lease goes to and fro."""

    rules = {3: "auto"}
    lost_at_first_max = 8


if __name__ == "__main__":
    unittest.main()
