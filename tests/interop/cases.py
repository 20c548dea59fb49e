# SPDX-License-Identifier: Apache-2.0
"""The rows of the matrix. A case says what is configured and which steps are played; nothing else varies."""

from dataclasses import dataclass, field, replace

import steps
from anylab.peers.base import KEY_EXCHANGES

BOTH = ("responder", "initiator")
IKE, ESP = "aes256gcm16-prfsha256-x25519", "aes256gcm16"


@dataclass(frozen=True)
class Case:
    """All of it in our words; `auth` is (ours, theirs). `needs` are words a peer may not know (Peer.cannot)."""

    name: str
    group: str
    title: str
    ike: str = IKE
    esp: str = ESP
    peer_ike: tuple = ()  # where the peer's proposals differ from ours
    peer_esp: tuple = ()
    auth: tuple = ("psk", "psk")
    outer: int = 4
    inner: tuple = (4,)
    nat: bool = False
    encap: bool = False
    mobike: bool = False
    fragment: str = "yes"
    fragment_size: int = 0
    childless: bool = False
    cookie: bool = False
    ppk: bool = False
    virtual: bool = False  # the responder gives the initiator its inner addresses
    children: int = 1
    peer_dpd_s: int = 0
    peer_rekeys: str = ""
    ours: tuple = ()  # further lines of our tunnel
    peer_extra: dict = field(default_factory=dict)
    steps: tuple = steps.TUNNEL
    roles: tuple = BOTH
    needs: tuple = ()
    pending: str = ""  # what of ours is not built yet: the row's failure is known, its success ends the mark

    def for_peer(self, peer):
        """The case as it is played with this peer."""
        if self.name in peer.needs_of_us:
            return replace(self, ours=self.ours + peer.needs_of_us[self.name])
        if peer.esp_default and self.group != "ESP cipher":
            return replace(self, esp=self.esp.replace(ESP, peer.esp_default),
                           peer_esp=tuple(esp.replace(ESP, peer.esp_default) for esp in self.peer_esp))
        return self

    def words(self, role):
        """Everything a peer may be unable to do, in our role."""
        words = set(self.needs) | set(self.ike.split("-")) | {f"esp-{word}" for word in self.esp.split("-")}
        words |= {f"auth-{kind}" for kind in self.auth}
        if self.peer_dpd_s:
            words.add("dpd")
        if self.auth[0] != self.auth[1] and "psk" in self.auth:
            words.add("psk-and-certificate")
        if self.children > 1:
            words.add("children")
        for flag in ("nat", "encap", "mobike", "childless", "cookie", "ppk", "virtual"):
            if getattr(self, flag):
                words.add(flag)
        if len(self.inner) > 1:
            words.add("two-selectors")
        if set(self.inner) != {self.outer}:
            words.add("other-version-inside")
        if self.cookie and role == "initiator":
            words.add("cookie-by-peer")
        return words


def allow_weak(*words):
    """The line that a tunnel needs for weak algorithms."""
    return ("allow_weak = [" + ", ".join(f'"{word}"' for word in words) + "]",)


def key_exchanges():
    for ke in KEY_EXCHANGES:
        weak = ke == "modp1536"
        yield Case(f"ke-{ke}", "Key exchange", f"{ke} (weak, by opt-in)" if weak else ke, ike=f"aes256gcm16-prfsha256-{ke}",
                   ours=allow_weak(ke) if weak else ())
    yield Case("ke-wrong-guess", "Key exchange", "wrong first guess (INVALID_KE_PAYLOAD)",
               peer_ike=("aes256gcm16-prfsha256-ecp256", IKE), roles=("responder",))


def ike_ciphers():
    for cipher in ("aes128gcm16-prfsha256", "aes256gcm16-prfsha384", "aes256gcm16-prfsha512", "chacha20poly1305-prfsha256",
                   "aes128-sha256", "aes256-sha256", "aes256-sha384", "aes256-sha512"):
        yield Case(f"ike-{cipher}", "IKE cipher", cipher, ike=f"{cipher}-x25519")
    yield Case("ike-aes256-sha1", "IKE cipher", "aes256-sha1 (weak, by opt-in)", ike="aes256-sha1-x25519",
               ours=allow_weak("sha1"))


def esp_ciphers():
    for cipher in ("aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha256", "aes256-sha384",
                   "aes256-sha512"):
        yield Case(f"esp-{cipher}", "ESP cipher", cipher, esp=cipher)
    for cipher, words in (("aes256-sha1", ("sha1",)), ("null-sha256", ("null",)), ("null-sha1", ("null", "sha1"))):
        yield Case(f"esp-{cipher}", "ESP cipher", f"{cipher} (weak, by opt-in)", esp=cipher, ours=allow_weak(*words))
    for cipher in ("aes256gcm16-esn", "aes256-sha512-esn"):
        yield Case(f"esp-{cipher}", "ESP cipher", cipher, esp=cipher, needs=("esn",))


def authentication():
    played = (*steps.TUNNEL, steps.authenticated)
    yield Case("auth-psk", "Authentication", "pre-shared key", steps=played)
    kinds = {"rsa-pkcs1": "RSA, PKCS#1 v1.5", "rsa-pss": "RSA-PSS", "ecdsa256": "ECDSA P-256", "ecdsa384": "ECDSA P-384",
             "ecdsa521": "ECDSA P-521", "ed25519": "Ed25519"}
    for kind, title in kinds.items():
        yield Case(f"auth-{kind}", "Authentication", title, auth=(kind, kind), steps=played)
    yield Case("auth-mixed", "Authentication", "we ECDSA P-256, the peer pre-shared key", auth=("ecdsa256", "psk"), steps=played)
    yield Case("auth-mixed-certs", "Authentication", "we Ed25519, the peer RSA-PSS", auth=("ed25519", "rsa-pss"),
               steps=played)
    yield Case("auth-ppk", "Authentication", "PPK (RFC 8784)", ppk=True)


def paths():
    yield Case("path-raw-esp", "Path", "ESP without UDP", needs=("raw-esp",), steps=(*steps.TUNNEL, steps.only_raw))
    yield Case("path-nat", "Path", "initiator behind a NAT", nat=True, steps=(*steps.TUNNEL, steps.only_encapsulated))
    yield Case("path-nat-rebind", "Path", "the NAT forgets its mapping", nat=True, roles=("responder",),
               steps=(*steps.TUNNEL, steps.nat_rebinds))
    yield Case("path-encap", "Path", "forced encapsulation", encap=True,
               steps=(*steps.TUNNEL, steps.only_encapsulated))
    yield Case("path-fragments", "Path", "fragmentation (RFC 7383)", fragment="force", fragment_size=600,
               auth=("rsa-pss", "rsa-pss"), needs=("fragments",))
    yield Case("path-fragments-psk", "Path", "peer fragments a short message", fragment="force", fragment_size=256,
               needs=("force-fragments",))
    yield Case("path-cookie", "Path", "COOKIE demanded by the responder", cookie=True)
    yield Case("path-mobike-peer", "Path", "MOBIKE: the peer moves", mobike=True, roles=("responder",),
               steps=(*steps.TUNNEL, steps.peer_moves))
    yield Case("path-mobike-us", "Path", "MOBIKE: we move", mobike=True, roles=("initiator",),
               steps=(*steps.TUNNEL, steps.we_move))
    for when in ("init", "auth", "established"):
        yield Case(f"path-redirect-{when}", "Path", f"we send the peer to another address (REDIRECT): {when}", mobike=True,
                   roles=("responder",), steps=(*steps.TUNNEL, steps.sent_away(when)), needs=("redirect", f"redirect-{when}"))
    yield Case("path-virtual", "Path", "virtual IPv4 address and DNS (configuration payload)", virtual=True,
               steps=(steps.up, steps.agree, steps.virtual, steps.rekeyed_virtual))
    yield Case("path-virtual-both", "Path", "virtual IPv4 and IPv6 addresses and DNS", virtual=True, inner=(4, 6),
               steps=(steps.up, steps.agree, steps.virtual))
    for outer in (4, 6):
        for inner in ((4,), (6,), (4, 6)):
            if (outer, inner) != (4, (4,)):
                name = "both" if len(inner) == 2 else f"IPv{inner[0]}"
                yield Case(f"path-ipv{outer}-{name.lower()}", "Path", f"{name} in IPv{outer}", outer=outer, inner=inner)


def life():
    for what, title in (("child", "Child SA"), ("ike", "IKE SA")):
        for by in ("peer", "us"):
            yield Case(f"rekey-{what}-{by}", "Life of SAs", f"rekey of the {title} by {by}, 20 times",
                       steps=(*steps.TUNNEL, steps.rekey(what, by)),
                       peer_rekeys=what if by == "peer" else "")
    yield Case("rekey-child-pfs", "Life of SAs", "rekey of the Child SA with PFS by peer, 20 times", esp=ESP + "-x25519",
               steps=(*steps.TUNNEL, steps.rekey("child", "peer")), peer_rekeys="child")
    for what in ("child", "ike"):
        yield Case(f"collide-{what}", "Life of SAs", f"both sides rekey the {what} SA at once, 20 times",
                   steps=(*steps.TUNNEL, steps.collide(what)), needs=("on-demand",))
    yield Case("dpd-peer", "Life of SAs", "liveness checks by the peer", peer_dpd_s=1,
               steps=(*steps.TUNNEL, steps.dpd_by_peer))
    yield Case("dpd-us", "Life of SAs", "liveness checks by us; a silent peer is noticed", ours=('dpd = "1s"',),
               steps=(*steps.TUNNEL, steps.dpd_by_us))
    for what in ("child", "ike"):
        for by in ("peer", "us"):
            yield Case(f"delete-{what}-{by}", "Life of SAs", f"{what} SA deleted by {by}",
                       steps=(*steps.TUNNEL, steps.delete(what, by)))
    yield Case("childless", "Life of SAs", "childless IKE SA (RFC 6023), then a Child SA", childless=True,
               ours=("childless = true",), steps=(steps.up, steps.childless, steps.agree, steps.ping))
    yield Case("children", "Life of SAs", "two Child SAs under one IKE SA", children=2,
               steps=(steps.up, steps.second_child))
    yield Case("reauth", "Life of SAs", "re-authentication by the peer", steps=(*steps.TUNNEL, steps.reauthenticate),
               needs=("reauth",))


def post_quantum():
    for classic, kem in (("x25519", "mlkem768"), ("ecp384", "mlkem1024")):
        name = f"{classic}-ke1_{kem}"
        suite = f"aes256gcm16-prfsha384-{name}"
        yield Case(f"pq-{classic}-{kem}", "Post-quantum", f"{classic} and {kem} (RFC 9370)", ike=suite, needs=("mlkem",))
    suite = "aes256gcm16-prfsha384-x25519-ke1_mlkem768"
    for by in ("peer", "us"):
        for what in ("child", "ike"):
            yield Case(f"pq-rekey-{what}-{by}", "Post-quantum", f"hybrid rekey of the {what} SA by {by}, 20 times", ike=suite,
                       esp="aes256gcm16-x25519-ke1_mlkem768", needs=("mlkem",),
                       steps=(*steps.TUNNEL, steps.rekey(what, by)), peer_rekeys=what if by == "peer" else "")
    for what in ("child", "ike"):
        yield Case(f"pq-collide-{what}", "Post-quantum", f"both sides rekey the {what} SA at once, hybrid, 20 times", ike=suite,
                   esp="aes256gcm16-x25519-ke1_mlkem768", needs=("mlkem", "on-demand"),
                   steps=(*steps.TUNNEL, steps.collide(what)))


CASES = [case for part in (key_exchanges, ike_ciphers, esp_ciphers, authentication, paths, life, post_quantum)
         for case in part()]
