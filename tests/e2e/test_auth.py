# SPDX-License-Identifier: Apache-2.0
"""A real strongSwan and we prove to each other who we are: certificates of every kind, chains, revocation, PPK, and
identities by pattern; with us as responder and as initiator."""

import unittest

from anylab.fleet import Peer, tunnel_toml
from anylab.lab import wait_for
from anylab.pki import Pki
from anylab.strongswan import StrongSwan
from anylab.topology import ANYCAST
from common import INNER, PSK, FleetTest

OUR_ID, THEIR_ID = "anycast.example", "cust1.example"
PPK = "a-postquantum-key-of-some-length"

# What strongSwan signs with; the key that takes; how our log names it.
SIGNATURES = {
    "rsa-pkcs1": ("rsa-sha256", "rsa", "RSA PKCS#1 v1.5 with SHA2-256"),
    "rsa-pss": ("rsa/pss-sha256", "rsa", "RSA-PSS with SHA2-256"),
    "ecdsa256": ("ecdsa-sha256", "ecdsa256", "ECDSA with SHA2-256"),
    "ecdsa384": ("ecdsa-sha384", "ecdsa384", "ECDSA with SHA2-384"),
    "ecdsa521": ("ecdsa-sha512", "ecdsa521", "ECDSA with SHA2-512"),
    "ed25519": ("pubkey", "ed25519", "Ed25519"),
}


def constrained(words):
    """Of the peer's signature in AUTH, not of those in its certificates."""
    return words if words in ("pubkey", "psk") else f"ike:{words}"


class Credentials:
    """Both sides' options for one pair of signatures; None: pre-shared key."""

    def __init__(self, pki, ours, theirs, *, chain=None, trust=None, more=""):
        lines, self.files = [more], []
        if ours:
            certificate, key, authority = pki.certificate(OUR_ID, SIGNATURES[ours][1])
            lines += [f'certificate = "{certificate}"', f'private_key = "{key}"']
            if ours == "rsa-pkcs1":
                lines.append('rsa_signature = "pkcs1"')
            self.files.append(("x509ca", authority))
        if theirs:
            certificate, key, authority = pki.certificate(THEIR_ID, SIGNATURES[theirs][1])
            certificate, key = chain[:2] if chain else (certificate, key)
            self.files += [("x509", certificate), ("private", key)]
            self.files += [("x509ca", path) for path in (chain[2:] if chain else (authority,))]
            lines.append(f'ca = "{trust or authority}"')
        self.options = "\n".join(lines)
        self.psk = None if ours and theirs else PSK
        self.swan = dict(local_auth=SIGNATURES[theirs][0] if theirs else "psk",
                         remote_auth=constrained(SIGNATURES[ours][0]) if ours else "psk", files=self.files)


class Authentication(FleetTest):
    edges = ("ams",)

    @classmethod
    def set_up_fleet(cls):
        cls.pki = Pki(cls.net.lab.dir / "pki")
        cls.net.add_customer("cust1", 1, "ams", [f"{INNER[1]}/32"])
        cls.net.add_customer("cust2", 2, "ams", [f"{INNER[2]}/32"])
        cls.swans["cust1"] = StrongSwan(cls.net.lab, "cust1")
        cls.swans["cust1"].start_charon()

    def credentials(self, ours, theirs, **more):
        return Credentials(self.pki, ours, theirs, **more)

    # We respond.

    def offer(self, credentials, remote_id=THEIR_ID):
        self.apply(tunnel_toml("acme/cust1", local_id=OUR_ID, remote_id=remote_id, psk=credentials.psk,
                               local_prefixes=["10.0.0.0/8"], remote_prefixes=["10.1.0.0/24"],
                               more=credentials.options))

    def options(self, credentials, **more):
        return self.swan_options(1, **{**credentials.swan, **more})

    def connects(self, credentials, log_says=(), **more):
        edge, swan = self.net.edges["ams"], self.swans["cust1"]
        before = len(edge.log())
        self.offer(credentials)
        swan.configure(**self.options(credentials, **more))
        try:
            swan.initiate()
            wait_for("the child SA here", lambda: edge.child_sas("acme/cust1"))
            for words in log_says:
                wait_for(f'"{words}" in our log', lambda w=words: w in edge.log()[before:], 5)
        finally:
            swan.terminate()
            self.wait_no_sas("acme/cust1")

    def refused(self, credentials, log_says, **more):
        edge, swan = self.net.edges["ams"], self.swans["cust1"]
        before, swan_before = len(edge.log()), len(swan.log())
        self.offer(credentials)
        swan.configure(**self.options(credentials, **more))
        self.assertNotIn("completed successfully", swan.try_initiate(5))
        wait_for("AUTH_FAILED in strongSwan's log", lambda: "AUTH_FAILED" in swan.log()[swan_before:], 5)
        wait_for(f"\"{log_says}\" in our log, which says: {edge.log()[before:][-1500:]}",
                 lambda: log_says in edge.log()[before:], 5)
        swan.terminate()
        wait_for("no IKE SA to be left", lambda: edge.ask("sas")["ike_sas"] == [], 10)

    def test_mixed_psk_and_certificate(self):
        self.connects(self.credentials("ecdsa256", None))
        self.connects(self.credentials(None, "ed25519"), ["Ed25519"])

    def test_mixed_certificates(self):
        self.connects(self.credentials("ed25519", "rsa-pss"), ["RSA-PSS with SHA2-256"])

    def test_distinguished_names(self):
        credentials = self.credentials("ecdsa256", "ecdsa256")
        self.offer(credentials, remote_id=f"O=lab, CN={THEIR_ID}")
        swan = self.swans["cust1"]
        swan.configure(**self.options(credentials, local_id=f"O=lab, CN={THEIR_ID}"))
        swan.initiate()
        swan.terminate()
        self.wait_no_sas("acme/cust1")

    def intermediate(self, send):
        certificate, key = self.pki.certificate_below(THEIR_ID, "ecdsa256")
        middle, _ = self.pki.intermediate("ecdsa256")
        root = self.pki.authority("ecdsa256")
        return self.credentials("ecdsa256", "ecdsa256", trust=root,
                                chain=(certificate, key, root) + ((middle,) if send else ()))

    def test_intermediate_ca(self):
        self.connects(self.intermediate(send=True))

    def test_missing_intermediate_ca(self):
        self.refused(self.intermediate(send=False), 'is signed by "O=lab, CN=middle ecdsa256"; the tunnel trusts')

    def test_another_ca(self):
        wrong = self.credentials("ecdsa256", "ecdsa256", trust=self.pki.authority("ecdsa384"))
        self.refused(wrong, 'is signed by "O=lab, CN=ca ecdsa256"; the tunnel trusts "O=lab, CN=ca ecdsa384"')

    def test_another_name(self):
        certificate, key, authority = self.pki.certificate("stranger.example", "ecdsa256")
        wrong = self.credentials("ecdsa256", "ecdsa256", chain=(certificate, key, authority))
        self.refused(wrong, 'names "stranger.example", not "cust1.example" (ID_FQDN)')

    def test_revoked(self):
        certificate, _, _ = self.pki.certificate(THEIR_ID, "ecdsa384")
        good = self.pki.revocation_list("ecdsa384")
        self.connects(self.credentials("ecdsa384", "ecdsa384", more=f'crl_file = "{good}"\ncrl = "strict"'))
        bad = self.pki.revocation_list("ecdsa384", [certificate])
        self.refused(self.credentials("ecdsa384", "ecdsa384", more=f'crl_file = "{bad}"'), "is revoked by the CRL of")

    def test_private_keys_show_nowhere(self):
        credentials = self.credentials("ecdsa256", "ecdsa256", more=f'ppk_id = "p1"\nppk = "{PPK}"')
        self.offer(credentials)
        edge = self.net.edges["ams"]
        shown = edge.cli("tunnel", "show", "acme/cust1")
        self.assertIn("***", shown)
        self.assertIn(f"O=lab, CN={OUR_ID} until", shown)
        key = self.pki.certificate(OUR_ID, "ecdsa256")[1].read_text().splitlines()[1]
        for text in (shown, edge.cli("tunnel", "list", "--json"), edge.log()):
            self.assertNotIn(key[:30], text)
            self.assertNotIn(PPK, text)

    # PPK (RFC 8784).

    def ppk(self, ours, theirs, required=False):
        """Options of both sides; `ours`, `theirs`: the name of the PPK, None for none."""
        want = "true" if required else "false"
        more = f'ppk_id = "{ours}"\nppk = "{PPK}"\nppk_required = {want}' if ours else ""
        swan = dict(extra=f"ppk_id = {theirs}\n  ppk_required = {'yes' if required else 'no'}",
                    secrets=f'ppk-1 {{ secret = "{PPK}"\n id = {theirs} }}') if theirs else {}
        return self.credentials(None, None, more=more), swan

    def test_ppk(self):
        for required in (False, True):
            credentials, swan = self.ppk("ppk1", "ppk1", required)
            self.connects(credentials, ["with a PPK"], **swan)

    def test_optional_ppk_on_one_side(self):
        for ours, theirs in (("ppk1", None), (None, "ppk1"), ("ppk1", "ppk2")):
            credentials, swan = self.ppk(ours, theirs)
            self.connects(credentials, **swan)

    def test_required_ppk_that_is_missing(self):
        credentials, swan = self.ppk("ppk1", None, required=True)
        self.refused(credentials, 'tunnel acme/cust1 requires the PPK "ppk1"', **swan)

    # We initiate: our branch connector, strongSwan answers.

    def connector(self, credentials):
        customer, server = self.net.customers["cust2"], self.net.customers["cust1"]
        swan = self.swans["cust1"]
        swan.configure(**self.options(credentials, local=server["address"], remote=customer["address"],
                                      local_ts="10.1.0.0/24", remote_ts="10.0.0.0/8"))
        peer = Peer(self.net.lab, "cust2", customer["address"], server["address"],
                    tunnel_toml("acme/cust2", local_id=OUR_ID, remote_id=THEIR_ID, psk=credentials.psk,
                                local_prefixes=["10.2.0.0/24"], remote_prefixes=["10.1.0.0/24"],
                                more=credentials.options))
        peer.start()
        return peer

    def connects_out(self, credentials, log_says=()):
        peer = self.connector(credentials)
        try:
            wait_for(f"the connector's child SA; see {self.net.lab.dir}/anyswan-cust2.log",
                     lambda: [sa for sa in peer.child_sas() if sa["state"] == "applied"])
            for words in log_says:
                self.assertIn(words, peer.log())
        finally:
            peer.stop()
            self.swans["cust1"].terminate()

    def test_initiator_mixed(self):
        self.connects_out(self.credentials("ecdsa384", None))
        self.connects_out(self.credentials(None, "rsa-pss"), ["RSA-PSS with SHA2-256"])

    def test_initiator_intermediate_ca(self):
        self.connects_out(self.intermediate(send=True))

    def test_initiator_refuses_another_ca(self):
        peer = self.connector(self.credentials("ecdsa256", "ecdsa256", trust=self.pki.authority("ecdsa384")))
        try:
            wait_for("the refusal in our log", lambda: 'the tunnel trusts "O=lab, CN=ca ecdsa384"' in peer.log())
            self.assertEqual(peer.child_sas(), [])
        finally:
            peer.stop()
            self.swans["cust1"].terminate()

    def test_initiator_ppk(self):
        credentials, swan = self.ppk("ppk1", "ppk1", required=True)
        credentials.swan.update(swan)
        self.connects_out(credentials, ["with a PPK"])


class ManyBehindOneNat(FleetTest):
    edges = ("ams",)

    @classmethod
    def set_up_fleet(cls):
        lab = cls.net.lab
        cls.net.add_customer("cust1", 1, "ams", [f"{INNER[1]}/32"], nat=True)
        lab.add_host("cust2")
        lab.link("cust1-nat", "cust2", "192.168.8.1/24", "192.168.8.2/24")
        lab.ip("cust2", "route", "add", "default", "via", "192.168.8.1")
        lab.ip("cust2", "addr", "add", f"{INNER[2]}/32", "dev", "lo")
        cls.net.customers["cust2"] = {**cls.net.customers["cust1"], "address": "192.168.8.2"}
        cls.apply("".join(tunnel_toml(f"acme/{name}", local_id=OUR_ID, remote_id=remote_id, psk=f"the-key-of-{name}",
                                      local_prefixes=["10.0.0.0/8"], remote_prefixes=[prefix])
                          for name, remote_id, prefix in (("hq", "hq.example", "10.1.0.0/24"),
                                                          ("branch", "*.branch.example", "10.2.0.0/24"))))
        cls.wait_tunnels(2)
        for host, local_id, key in (("cust1", "hq.example", "hq"), ("cust2", "seven.branch.example", "branch")):
            swan = cls.swans[host] = StrongSwan(lab, host)
            number = int(host[-1])
            swan.start(local=cls.net.customers[host]["address"], remote=ANYCAST, local_id=local_id, remote_id=OUR_ID,
                       psk=f"the-key-of-{key}", local_ts=f"10.{number}.0.0/24", remote_ts="10.0.0.0/8")
            swan.initiate()

    def test_are_told_apart_by_identity(self):
        for name in ("acme/hq", "acme/branch"):
            self.assertEqual(len(self.child_sas(name)["ams"]), 1, name)
        self.assert_ping("cust1", INNER[1], INNER[2])
        self.assert_ping("cust2", INNER[2], INNER[1])


def add_cases():
    for name, (_, _, how) in SIGNATURES.items():
        def respond(self, name=name, how=how):
            self.connects(self.credentials(name, name), [how])

        def initiate(self, name=name, how=how):
            self.connects_out(self.credentials(name, name), [how])
        label = name.replace("-", "_")
        setattr(Authentication, f"test_{label}", respond)
        setattr(Authentication, f"test_initiator_{label}", initiate)


add_cases()

if __name__ == "__main__":
    unittest.main()
