# SPDX-License-Identifier: Apache-2.0
"""One edge with the embedded store: it restarts without dropping tunnels."""

import signal
import unittest

from anylab.lab import wait_for
from common import INNER, FleetTest


class SingleEdge(FleetTest):
    edges = ("ams",)

    @classmethod
    def setUpClass(cls):
        from anylab.topology import Topology
        cls.net = Topology("anyswan-e2e")
        cls.swans = {}
        cls.net.build(cls.edges)
        cls.net.make_edge("ams", store=f'type = "sqlite"\npath = "{cls.net.lab.dir}/store.sqlite"').start()
        for number in (1, 2):
            cls.net.add_customer(f"cust{number}", number, "ams", [f"{INNER[number]}/32"])
        cls.apply(cls.tunnel(1) + cls.tunnel(2))
        cls.wait_tunnels(2)
        for number in (1, 2):
            cls.start_swan(number).initiate()

    def restart(self, sig):
        self.assert_ping("cust1", INNER[1], INNER[2])
        before = self.swans["cust1"].established_count()
        self.net.edges["ams"].stop(sig)
        self.net.edges["ams"].start()
        self.assert_ping("cust1", INNER[1], INNER[2])
        self.assertEqual(self.swans["cust1"].established_count(), before)

    def test_restart(self):
        self.restart(signal.SIGTERM)

    def test_kill(self):
        self.restart(signal.SIGKILL)

    def test_a_child_deleted_after_a_restart_is_gone(self):
        self.restart(signal.SIGKILL)
        edge = self.net.edges["ams"]
        wait_for("the edge to own both IKE SAs again", lambda: len(edge.ask("sas")["ike_sas"]) == 2)
        out = self.swans["cust1"].swanctl("--terminate", "--child", "net", "--timeout", "5", check=False)
        self.assertIn("terminate completed successfully", out)
        self.wait_no_sas("acme/cust1")
        self.swans["cust1"].terminate()
        self.swans["cust1"].initiate()

    def test_ike_goes_on_after_a_restart(self):
        self.restart(signal.SIGKILL)
        edge = self.net.edges["ams"]
        wait_for("the edge to own both IKE SAs again", lambda: len(edge.ask("sas")["ike_sas"]) == 2)
        self.assertIn("terminate completed successfully", self.swans["cust1"].terminate())
        self.wait_no_sas("acme/cust1")
        self.swans["cust1"].initiate()


if __name__ == "__main__":
    unittest.main()
