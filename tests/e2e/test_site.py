# SPDX-License-Identifier: Apache-2.0
"""What a site device expects: virtual addresses, several routers behind one NAT, weak algorithms by opt-in alone, CRLs by
URL, many Child SAs."""

import re
import unittest

from anylab.fleet import Peer, tunnel_toml
from anylab.lab import wait_for
from anylab.pki import Pki
from anylab.strongswan import StrongSwan
from anylab.topology import ANYCAST
from common import INNER, PSK, FleetTest

OUR_ID = "anycast.example"


def swan_at(lab, host, name=None):
    swan = StrongSwan(lab, host, name or host)
    swan.start_charon()
    return swan


class Site(FleetTest):
    edges = ("ams", "sin")

    @classmethod
    def set_up_fleet(cls):
        cls.pki = Pki(cls.net.lab.dir / "pki")
        cls.net.add_customer("cust1", 1, "ams", [f"{INNER[1]}/32"])
        cls.net.add_customer("cust2", 2, "sin", [f"{INNER[2]}/32"])
        for host in ("cust1", "cust2"):
            cls.swans[host] = swan_at(cls.net.lab, host)

    def offer(self, name, remote_id, more="", psk=PSK, remote_prefixes=()):
        self.apply(tunnel_toml(f"acme/{name}", local_id=OUR_ID, remote_id=remote_id, psk=psk,
                               local_prefixes=["10.0.0.0/8"], remote_prefixes=list(remote_prefixes), more=more))
        for edge in self.net.edges.values():
            wait_for(f"{edge.host} to know acme/{name}",
                     lambda e=edge: any(t["id"] == f"acme/{name}" for t in e.ask("tunnels") or []))

    def connect(self, host, remote_id, virtual=True, **options):
        swan = self.swans[host]
        swan.configure(**{**self.swan_options(int(host[-1]), host), "local_id": remote_id, "local_ts": "dynamic",
                          "extra": "vips = 0.0.0.0" if virtual else "", **options})
        self.addCleanup(swan.terminate)
        return swan.try_initiate(10)

    @staticmethod
    def virtual_address(swan):
        found = re.search(r"local\s+'[^']*' @ \S+ \[(10\.9\.[\d.]+)\]", swan.sas())
        return found and found[1]

    def test_routers_of_one_pattern_get_addresses_of_one_pool_at_two_edges(self):
        self.offer("road", "*.road.example", 'virtual_pool = ["10.9.0.0/28"]\nvirtual_dns = ["10.0.0.53"]')
        addresses = {}
        for host in ("cust1", "cust2"):
            self.assertIn("completed successfully", self.connect(host, f"{host}.road.example"))
            addresses[host] = wait_for(f"{host}'s address", lambda h=host: self.virtual_address(self.swans[h]))
        self.assertEqual(len(set(addresses.values())), 2, addresses)
        # Both send and are sent to, by one tunnel, and reach each other.
        self.assert_ping("cust1", addresses["cust1"], addresses["cust2"])
        self.assert_ping("cust2", addresses["cust2"], addresses["cust1"])
        # Who comes again, elsewhere, has its address again.
        for host in ("cust1", "cust2"):
            self.swans[host].terminate()
        self.wait_no_sas("acme/road")
        self.net.route("cust1", "sin")
        self.addCleanup(self.net.route, "cust1", "ams")
        for host in ("cust2", "cust1"):
            self.assertIn("completed successfully", self.connect(host, f"{host}.road.example"))
            self.assertEqual(wait_for(f"{host}'s address", lambda h=host: self.virtual_address(self.swans[h])),
                             addresses[host])

    def test_a_router_that_asks_for_no_address_is_told(self):
        self.offer("road", "*.road.example", 'virtual_pool = ["10.9.0.0/28"]')
        out = self.connect("cust1", "cust1.road.example", virtual=False, local_ts=f"{INNER[1]}/32")
        self.assertIn("FAIL_CP_REQ", out + self.swans["cust1"].log())
        wait_for("the reason in our log", lambda: "FAILED_CP_REQUIRED" in self.net.edges["ams"].log(), 5)

    def test_weak_algorithms_only_by_opt_in(self):
        edge = self.net.edges["ams"]
        weak = 'ike = ["aes256-sha1-modp1536"]\nesp = ["aes256-sha1"]'
        path = self.net.lab.dir / "weak.toml"
        tunnel = tunnel_toml("acme/old", local_id=OUR_ID, remote_id="old.example", psk=PSK, local_prefixes=["10.0.0.0/8"],
                             remote_prefixes=["10.1.0.0/24"], more=weak)
        path.write_text(tunnel)
        refused = edge.cli("config", "check", path, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn('allow_weak = ["sha1", "modp1536"]', refused.stderr)
        self.assertNotEqual(edge.cli("apply", "-f", path, check=False).returncode, 0)
        path.write_text(tunnel + 'allow_weak = ["sha1", "modp1536"]\n')
        checked = edge.cli("config", "check", path)
        for words in ("config check", "apply"):
            done = edge.cli(*(["config", "check", path] if words == "config check" else ["apply", "-f", path]), check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("warning: tunnel acme/old allows HMAC-SHA1-96", done.stderr)
        self.assertIn("a good tunnels file", checked)
        out = self.connect("cust1", "old.example", virtual=False, local_ts="10.1.0.0/24", ike="aes256-sha1-modp1536",
                           esp="aes256-sha1")
        self.assertIn("completed successfully", out)
        self.assertIn("(WEAK: sha1, modp1536)", edge.cli("sa", "list"))
        self.assertIn("weak_algorithm: IKE SA uses HMAC-SHA1-96", edge.log())

    def test_a_list_by_url_refuses_a_revoked_router_at_every_edge(self):
        folder = self.net.lab.dir / "www"
        folder.mkdir(exist_ok=True)
        certificate, key, authority = self.pki.certificate("cust1.example", "ecdsa256")
        ours, our_key, _ = self.pki.certificate(OUR_ID, "ecdsa256")
        folder.joinpath("ca.crl").write_bytes(self.pki.revocation_list("ecdsa256", [certificate]).read_bytes())
        self.net.lab.start("ams", "www", ["python3", "-m", "http.server", "8080", "--bind", "127.0.0.1", "-d", folder])
        self.addCleanup(self.net.lab.end, "www")
        # sin has no such server: it has the list from ams, through the store.
        self.offer("cert", "cust1.example", psk=None, remote_prefixes=["10.1.0.0/24"],
                   more=f'certificate = "{ours}"\nprivate_key = "{our_key}"\nca = "{authority}"\ncrl = "strict"\n'
                        'crl_url = "http://127.0.0.1:8080/ca.crl"')
        for edge in self.net.edges.values():
            wait_for("a list from the URL", lambda: self.net.edges["ams"].ask("counters").get("crl_fetched"), 30)
        options = dict(virtual=False, local_ts="10.1.0.0/24", local_auth="pubkey", remote_auth="pubkey",
                       files=[("x509", certificate), ("private", key), ("x509ca", authority)])
        for name in ("ams", "sin"):
            edge = self.net.edges[name]
            self.net.route("cust1", name)
            before = len(edge.log())
            self.assertNotIn("completed successfully", self.connect("cust1", "cust1.example", **options))
            wait_for(f"the revocation in the log of {name}", lambda e=edge, b=before: "is revoked by the CRL of" in e.log()[b:], 10)
        self.net.route("cust1", "ams")


class OurConnectors(FleetTest):
    """`anyswan peer` asks our edges for addresses of both families out of one pool."""

    @classmethod
    def set_up_fleet(cls):
        for number, edge in ((1, "ams"), (2, "sin")):
            cls.net.add_customer(f"cust{number}", number, edge, [])
        cls.apply(tunnel_toml("acme/branches", local_id=OUR_ID, remote_id="*.branch.example", psk=PSK,
                              local_prefixes=["10.0.0.0/8", "fd00::/8"], remote_prefixes=[],
                              more='virtual_pool = ["10.9.0.0/28", "fd00:9::/112"]\n'
                                   'virtual_dns = ["10.0.0.53", "fd00::53"]'))
        cls.wait_tunnels(1)

    def start_peer(self, host):
        tunnel = tunnel_toml("acme/branch", local_id=f"{host}.branch.example", remote_id=OUR_ID, psk=PSK, local_prefixes=[],
                             remote_prefixes=["10.0.0.0/8", "fd00::/8"], more='request_address = ["ipv4", "ipv6"]')
        peer = Peer(self.net.lab, host, self.net.customers[host]["address"], ANYCAST, tunnel)
        peer.start()
        self.addCleanup(peer.stop)
        wait_for(f"{host} to have a child SA", lambda: [sa for sa in peer.child_sas() if sa["state"] == "applied"])
        return peer

    @staticmethod
    def ike_sa(daemon, peer_id=None):
        rows = [sa for sa in daemon.ask("sas")["ike_sas"] if sa["state"] == "established"]
        return next((sa for sa in rows if peer_id in (None, sa["peer_id"])), None)

    def test_addresses_of_both_families_stay_through_rekeys_and_return(self):
        peers = {host: self.start_peer(host) for host in ("cust1", "cust2")}
        addresses = {}
        for (host, peer), edge in zip(peers.items(), ("ams", "sin")):
            sa = self.ike_sa(peer)
            addresses[host] = sa["virtual_addresses"]
            self.assertRegex(" ".join(addresses[host]), r"^10\.9\.0\.\d+ fd00:9::[0-9a-f]+$")
            self.assertEqual(sa["dns"], ["10.0.0.53", "fd00::53"])
            self.assertEqual(self.ike_sa(self.net.edges[edge], f"{host}.branch.example")["virtual_addresses"], addresses[host])
            self.assertIn(", ".join(addresses[host]), self.net.edges[edge].cli("sa", "list"))
        self.assertFalse(set(addresses["cust1"]) & set(addresses["cust2"]), addresses)
        for one, other in zip(addresses["cust1"], addresses["cust2"]):
            self.assert_ping("cust1", one, other)
            self.assert_ping("cust2", other, one)
        before = self.ike_sa(peers["cust1"])["our_spi"]
        peers["cust1"].cli("sa", "rekey", before)
        wait_for("another IKE SA", lambda: (self.ike_sa(peers["cust1"]) or {}).get("our_spi") not in (None, before))
        self.assertEqual(self.ike_sa(peers["cust1"])["virtual_addresses"], addresses["cust1"])
        # Again, at another edge: a new IKE SA, the same addresses.
        peers["cust1"].stop()
        self.net.route("cust1", "sin")
        again = self.start_peer("cust1")
        self.assertEqual(self.ike_sa(again)["virtual_addresses"], addresses["cust1"])
        self.assert_ping("cust1", addresses["cust1"][0], addresses["cust2"][0])


class BehindOneNat(FleetTest):
    edges = ("ams",)

    def test_identities_tell_routers_apart(self):
        lab = self.net.lab
        self.net.add_customer("cust1", 1, "ams", [f"{INNER[1]}/32"], nat=True)
        lab.add_host("cust2")
        lab.link("cust1-nat", "cust2", "192.168.8.1/24", "192.168.8.2/24", dev_a="to-cust2")
        lab.ip("cust2", "route", "add", "default", "via", "192.168.8.1")
        lab.ip("cust2", "addr", "add", f"{INNER[2]}/32", "dev", "lo")
        self.net.customers["cust2"] = {**self.net.customers["cust1"], "address": "192.168.8.2"}
        self.apply(self.tunnel(1) + self.tunnel(2))
        self.wait_tunnels(2)
        for number in (1, 2):
            self.start_swan(number).initiate()
        edge = self.net.edges["ams"]
        peers = {number: wait_for(f"acme/cust{number}", lambda n=number: edge.child_sas(f"acme/cust{n}"))[0]["peer"]
                 for number in (1, 2)}
        self.assertEqual(peers[1].rsplit(":", 1)[0], peers[2].rsplit(":", 1)[0], "one address")
        self.assertNotEqual(peers[1], peers[2], "two ports")
        self.assert_ping("cust1", INNER[1], INNER[2])
        self.assert_ping("cust2", INNER[2], INNER[1])


if __name__ == "__main__":
    unittest.main()
