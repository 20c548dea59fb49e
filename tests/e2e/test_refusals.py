# SPDX-License-Identifier: Apache-2.0
"""What we refuse: the right notify to the peer, a log line that says why, nothing left behind."""

import unittest

from anylab.lab import wait_for
from common import INNER, FleetTest


class Refusals(FleetTest):
    edges = ("ams",)

    @classmethod
    def set_up_fleet(cls):
        cls.net.add_customer("cust1", 1, "ams", [f"{INNER[1]}/32"])
        cls.apply(cls.tunnel(1, more='ike = ["aes256gcm16-prfsha256-x25519"]\nesp = ["aes256gcm16"]'))
        cls.wait_tunnels(1)
        cls.start_swan(1)

    def refused(self, notify, log_says, **wrong):
        edge, swan = self.net.edges["ams"], self.swans["cust1"]
        swan_before, edge_before = len(swan.log()), len(edge.log())
        swan.configure(**self.swan_options(1, **wrong))
        out = swan.try_initiate(5)
        self.assertNotIn("completed successfully", out)
        wait_for(f"{notify} in strongSwan's log", lambda: notify in swan.log()[swan_before:], 5)
        for words in log_says:
            wait_for(f'"{words}" in our log', lambda w=words: w in edge.log()[edge_before:], 5)
        swan.terminate()
        self.wait_no_sas("acme/cust1")
        wait_for("no IKE SA to be left", lambda: edge.ask("sas")["ike_sas"] == [], 10)

    def test_wrong_psk(self):
        self.refused("AUTH_FAILED", ["acme/cust1", "AUTHENTICATION_FAILED"], psk="not-the-right-key")

    def test_wrong_id(self):
        self.refused("AUTH_FAILED", ["AUTHENTICATION_FAILED", "stranger.example"], local_id="stranger.example")

    def test_no_common_ike_proposal(self):
        self.refused("NO_PROP", ["NO_PROPOSAL_CHOSEN", "aes256gcm16-prfsha256-x25519"], ike="aes128-sha256-modp2048")

    def test_no_common_esp_proposal(self):
        self.refused("NO_PROP", ["NO_PROPOSAL_CHOSEN", "acme/cust1", "aes256gcm16"], esp="aes128-sha256")

    def test_selectors_that_do_not_fit(self):
        self.refused("TS_UNACCEPT", ["TS_UNACCEPTABLE", "acme/cust1"], remote_ts="172.16.0.0/12")


if __name__ == "__main__":
    unittest.main()
