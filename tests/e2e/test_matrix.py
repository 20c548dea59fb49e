# SPDX-License-Identifier: Apache-2.0
"""A real strongSwan reaches another customer over every path, with every cipher and key exchange.

strongSwan's userspace ESP of Debian 12 always encapsulates in UDP; raw ESP is tested with our own branch
connector (test_peer.py).
"""

import unittest

from anylab.lab import wait_for
from common import INNER, FleetTest

CIPHERS = {  # name: (IKE part, ESP part)
    "gcm": ("aes256gcm16-prfsha256", "aes256gcm16"),
    "cbc-sha2": ("aes256-sha256", "aes256-sha256"),
    "chacha20": ("chacha20poly1305-prfsha256", "chacha20poly1305"),
}
KEY_EXCHANGES = ("x25519", "ecp384", "modp2048")


class Matrix(FleetTest):
    @classmethod
    def set_up_fleet(cls):
        net = cls.net
        # Both customers are number 1 to the fleet, one behind a NAT; they are up one at a time.
        net.add_customer("cust1", 1, "ams", [f"{INNER[1]}/32"])
        net.add_customer("cust1n", 3, "ams", [f"{INNER[1]}/32"], nat=True)
        net.add_customer("cust2", 2, "sin", [f"{INNER[2]}/32"])
        ike = ", ".join(f'"{ike}-{ke}"' for ike, _ in CIPHERS.values() for ke in KEY_EXCHANGES)
        esp = ", ".join(f'"{esp}"' for _, esp in CIPHERS.values())
        cls.apply(cls.tunnel(1, more=f"ike = [{ike}]\nesp = [{esp}]") + cls.tunnel(2))
        cls.wait_tunnels(2)
        cls.start_swan(2).initiate()
        cls.start_swan(1)
        cls.start_swan(1, "cust1n")

    def connect(self, host, ike, esp, ipv6, encap):
        swan = self.swans[host]
        swan.configure(**self.swan_options(1, host, ipv6=ipv6, ike=ike, esp=esp, encap=encap))
        swan.initiate()
        try:
            self.assert_ping(host, INNER[1], INNER[2])
            rows = self.child_sas("acme/cust1")
            for edge, children in rows.items():
                self.assertEqual([child["suite"] for child in children], [esp], edge)
        finally:
            swan.terminate()
            self.wait_no_sas("acme/cust1")


def add_cases():
    for path in ("plain", "nat", "encap"):
        for cipher, (ike, esp) in CIPHERS.items():
            for ke in KEY_EXCHANGES:
                for ipv6 in (False, True):
                    def case(self, path=path, ike=f"{ike}-{ke}", esp=esp, ipv6=ipv6):
                        host = "cust1n" if path == "nat" else "cust1"
                        self.connect(host, ike, esp, ipv6, path == "encap")
                    family = "ipv6" if ipv6 else "ipv4"
                    setattr(Matrix, f"test_{path}_{cipher}_{ke}_{family}".replace("-", "_"), case)


add_cases()

if __name__ == "__main__":
    unittest.main()
