# SPDX-License-Identifier: Apache-2.0
"""What every peer can be asked, whoever wrote it.

A peer gets a Setup, which says everything in our words, and translates it to its own configuration. What it answers
(Status) is in our words again, so that a test compares two sets of words and two pairs of SPIs, whatever the daemon.
"""

import re
from dataclasses import dataclass, field

from ..lab import LabError

PRF_OF = {"sha1": "prfsha1", "sha256": "prfsha256", "sha384": "prfsha384", "sha512": "prfsha512"}
KEY_EXCHANGES = ("x25519", "ecp256", "ecp384", "ecp521", "modp1536", "modp2048", "modp3072", "modp4096")


def words_of(suite):
    """A suite as a set of words, the PRF always among an IKE suite's: what two sides are compared by."""
    words = set(suite.split("-")) - {"noesn"}
    if words & set(KEY_EXCHANGES) and not any(word.startswith("prf") for word in words):
        words |= {PRF_OF[word] for word in words if word in PRF_OF}
    return frozenset(words)


def without_groups(words):
    """The words of a Child SA: the group of the rekey that made it is no part of it."""
    return frozenset(w for w in words if w not in KEY_EXCHANGES and w != "noesn" and not re.match(r"ke[1-7]_", w))


@dataclass(frozen=True)
class Credential:
    """How one side proves who it is: a pre-shared key, or a certificate with its key and the CA of it."""

    kind: str  # psk, rsa-pkcs1, rsa-pss, ecdsa256, ecdsa384, ecdsa521, ed25519
    psk: str = ""
    certificate: str = ""
    key: str = ""
    ca: str = ""


@dataclass(frozen=True)
class Child:
    name: str
    local_ts: tuple
    remote_ts: tuple


@dataclass(frozen=True)
class Setup:
    """One connection, seen from the peer: `local` is the peer's side."""

    initiates: bool
    local: str
    remote: str
    local_id: str
    remote_id: str
    local_auth: Credential
    remote_auth: Credential
    ike: tuple
    esp: tuple
    children: tuple
    encap: bool = False
    mobike: bool = False
    fragment: str = "yes"  # no, yes, force
    fragment_size: int = 0
    dpd_s: int = 0
    childless: bool = False
    ppk: tuple = ()  # (id, secret), required
    demand_cookie: bool = False
    virtual: tuple = ()  # ((pool, DNS server), ...), which the responder has: the initiator asks for an address of each
    rekeys: str = ""  # child or ike: what the peer will be asked to rekey, for one that does it by lifetime alone
    extra: dict = field(default_factory=dict)


@dataclass(frozen=True)
class IkeState:
    """Its two SPIs: one's own first where that is known. Who initiated is not compared: a rekey may change it."""

    spi_a: str
    spi_b: str
    words: frozenset
    local: str = ""
    remote: str = ""


@dataclass(frozen=True)
class ChildState:
    spi_in: str
    spi_out: str
    words: frozenset
    encap: bool
    name: str = ""


@dataclass(frozen=True)
class Status:
    ike: tuple
    children: tuple


class Unable(LabError):
    """The peer has no way to do what was asked; not a failure of ours."""


class Peer:
    """One daemon in one host of a lab. Adapters override what their daemon can do."""

    name = ""            # of --peer
    title = ""           # in reports
    dataplane = "none"   # userspace, kernel or none (its kernel is pretended; no packet moves)
    needs_guest = False  # must run in the real-kernel guest
    optional = False     # ./test does without it where it is missing
    brief = ()           # the cases that ./test plays with it, of all
    cannot = {}          # feature word -> why
    needs_of_us = {}     # case -> lines of our tunnel that it needs
    esp_default = ""     # for the cases that aren't about ESP's cipher, where it has no AES-GCM

    def __init__(self, lab, host):
        self.lab, self.host = lab, host

    @classmethod
    def missing(cls):
        """None if it can run on this machine, or what is missing and how to get it."""
        return None

    @classmethod
    def in_brief(cls, case):
        return case in cls.brief

    @classmethod
    def version(cls):
        raise NotImplementedError

    def start(self, setup):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def freeze(self):
        """It falls silent, without a word to us."""
        raise NotImplementedError

    def initiate(self, child=None):
        """Brings the IKE SA and the (named) Child SA up; LabError with its own words if it fails."""
        raise NotImplementedError

    def initiate_ike(self):
        """Brings up an IKE SA without a Child SA."""
        raise Unable("makes no IKE SA without a Child SA")

    def rekey_child(self):
        raise NotImplementedError

    def rekey_ike(self):
        raise NotImplementedError

    def delete_child(self):
        raise NotImplementedError

    def delete_ike(self):
        raise NotImplementedError

    def reauthenticate(self):
        raise Unable("has no re-authentication on demand")

    def status(self):
        raise NotImplementedError

    def authenticated_us_with(self):
        """The kind of credential (as in Credential) it last verified of ours, or None if it doesn't say."""
        return None

    def log(self):
        raise NotImplementedError
