# SPDX-License-Identifier: Apache-2.0
"""An IKE SA outlives its owner: another edge goes on with it, and the peer doesn't notice."""

import signal
import time

from anylab.lab import wait_for
from anylab.ping import Ping
from common import INNER, FleetTest


class Takeover(FleetTest):
    edges = ("ams", "sin", "sfo")

    @classmethod
    def set_up_fleet(cls):
        for number, edge in ((1, "ams"), (2, "sin")):
            cls.net.add_customer(f"cust{number}", number, edge, [f"{INNER[number]}/32"])
        cls.apply("".join(cls.tunnel(number, 'sender_rule = "pinned"') for number in (1, 2)))
        cls.wait_tunnels(2)
        for number in (1, 2):
            cls.start_swan(number, dpd_s=1).initiate()

    def owner(self):
        """The edge that runs the IKE SA of cust1 now."""
        owners = [name for name, edge in self.net.edges.items()
                  if any(sa["tunnel"] == "acme/cust1" for sa in (edge.ask("sas") or {}).get("ike_sas", []))]
        return owners[0] if len(owners) == 1 else None

    def elsewhere(self, *edges):
        return next(edge for edge in self.edges if edge not in edges)

    def move_away_from(self, edge):
        for customer in ("cust1", "cust2"):
            self.net.route(customer, self.elsewhere(edge))

    def kill(self, edge):
        self.net.edges[edge].stop(signal.SIGKILL)

    def answers(self):
        return self.swans["cust1"].log().count("parsed INFORMATIONAL response")

    def assert_same_tunnel(self):
        self.assertEqual(self.swans["cust1"].established_count(), 1, "the peer began a new IKE SA")
        self.assert_ping("cust1", INNER[1], INNER[2])

    def test_1_the_peers_next_request_is_answered_by_another_edge(self):
        owner = self.owner()
        self.move_away_from(owner)
        ping = Ping(self.net.lab, "cust1", INNER[1], INNER[2], interval_s=0.05)
        self.kill(owner)
        killed = time.monotonic()
        wait_for("another edge to own the IKE SA", lambda: self.owner() not in (None, owner), 20)
        took = time.monotonic() - killed
        print(f"taken over {took:.1f} s after the owner was killed", flush=True)
        sent, lost = ping.finish()
        self.assertGreater(sent, 40)
        self.assertEqual(lost, 0, "ESP doesn't need the owner")
        # Without traffic the peer asks every second.
        before = self.answers()
        wait_for("the peer's liveness checks to be answered", lambda: self.answers() > before + 1, 15)
        self.assert_same_tunnel()
        # The peer rekeys its Child SA with the new owner.
        before = self.child_sas("acme/cust1")[self.owner()][0]["inbound_spi"]
        out = self.swans["cust1"].swanctl("--rekey", "--child", "net")
        self.assertIn("completed successfully", out)
        wait_for("the rekeyed Child SA to be the only one",
                 lambda: [sa["inbound_spi"] for sa in self.child_sas("acme/cust1")[self.owner()]] not in ([], [before])
                 and len(self.child_sas("acme/cust1")[self.owner()]) == 1, 20)
        self.assert_same_tunnel()
        # The killed edge comes back, and leaves it where it is.
        now = self.owner()
        self.net.edges[owner].start()
        self.net.route("cust1", owner)
        before = self.answers()
        wait_for("the peer's liveness checks to be answered", lambda: self.answers() > before + 2, 10)
        self.assertEqual(self.owner(), now)
        self.assert_same_tunnel()

    def test_2_the_owner_dies_with_its_rekey_request_in_flight(self):
        owner = self.owner()
        child = self.child_sas("acme/cust1")[owner][0]["inbound_spi"]
        self.move_away_from(owner)
        # Nothing reaches the peer until the owner is dead.
        swan = self.swans["cust1"]
        outer = self.net.customers["cust1"]["outer"]
        self.net.lab.ip("inet", "route", "add", "blackhole", outer)
        self.net.edges[owner].cli("sa", "rekey", child)
        time.sleep(0.3)
        self.kill(owner)
        self.net.lab.ip("inet", "route", "del", "blackhole", outer)
        wait_for("another edge to own the IKE SA", lambda: self.owner() not in (None, owner), 20)
        wait_for("the rekey to be finished by another edge",
                 lambda: [sa["inbound_spi"] for sa in self.child_sas("acme/cust1")[self.owner()]] not in ([], [child])
                 and len(self.child_sas("acme/cust1")[self.owner()]) == 1, 30)
        self.assertEqual(swan.log().count("retransmit 5"), 0)
        self.assert_same_tunnel()
        self.net.edges[owner].start()
