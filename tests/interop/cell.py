# SPDX-License-Identifier: Apache-2.0
"""One cell of the matrix: a case, a peer, and who initiates. The steps of cases.py act on it."""

import time
from dataclasses import dataclass

from anylab.fleet import tunnel_toml
from anylab.lab import LabError, wait_for
from anylab.peers.base import Child, Credential, Setup, Unable, without_groups, words_of
from anylab.ping import Ping, ping_once
from network import (ANYCAST, INNER_THEM, INNER_US, PREFIX_THEM, PREFIX_US, SECOND_PREFIX_THEM, THEM, US, VIRTUAL_DNS,
                     VIRTUAL_POOL)
from ours import TUNNEL, Ours

OUR_ID, THEIR_ID = "anycast.example", "router.example"
PSK = "a-long-random-key-between-the-two"
PPK = ("ppk.example", "a-long-random-post-quantum-key-between-the-two")
KEY_TYPE = {"rsa-pkcs1": "rsa", "rsa-pss": "rsa"}


@dataclass(frozen=True)
class Result:
    peer: str
    case: str
    role: str     # ours: responder or initiator
    state: str    # pass, fail, cannot
    reason: str = ""
    seconds: float = 0.0
    pending: bool = False  # the case says that ours is not built yet
    theirs: bool = False   # a failure that is the peer's own, as its kernel's counters show


class Cell:
    def __init__(self, net, case, peer_class, role):
        self.net, self.case, self.role = net, case, role
        self.peer_class = peer_class
        self.peer = peer_class(net.lab, "them")
        self.us = Ours(net, role == "initiator")

    # Set-up.

    def _credential(self, kind, name):
        if kind == "psk":
            return Credential("psk", PSK)
        certificate, key, authority = self.net.pki.certificate(name, KEY_TYPE.get(kind, kind))
        return Credential(kind, "", str(certificate), str(key), str(authority))

    def _prefixes(self, table):
        return tuple(table[version] for version in self.case.inner)

    def _children(self):
        first = Child("net", self._prefixes(PREFIX_THEM), self._prefixes(PREFIX_US))
        second = Child("net2", (SECOND_PREFIX_THEM,), (PREFIX_US[4],))
        return (first, second)[:self.case.children]

    def setup(self):
        """The connection as the peer sees it."""
        case, family = self.case, self.case.outer
        behind_nat = "them" if self.role == "responder" else "us"
        remote = ANYCAST[family] if self.role == "responder" else US[family]
        if case.nat and behind_nat == "us":
            remote = {4: "198.51.100.1", 6: "fd98:1::1"}[family]
        ours, theirs = case.auth
        return Setup(initiates=self.role == "responder", local=THEM[family], remote=remote, local_id=THEIR_ID,
                     remote_id=OUR_ID, local_auth=self._credential(theirs, THEIR_ID),
                     remote_auth=self._credential(ours, OUR_ID), ike=case.peer_ike or (case.ike,),
                     esp=case.peer_esp or (case.esp,), children=self._children(), encap=case.encap, mobike=case.mobike,
                     fragment=case.fragment, fragment_size=case.fragment_size, dpd_s=case.peer_dpd_s,
                     childless=case.childless, ppk=PPK if case.ppk else (),
                     demand_cookie=case.cookie and self.role == "initiator", rekeys=case.peer_rekeys, extra=case.peer_extra,
                     virtual=tuple((VIRTUAL_POOL[v], VIRTUAL_DNS[v]) for v in case.inner) if case.virtual else ())

    def tunnel(self):
        """The same connection in our configuration."""
        case = self.case
        more = [f'ike = ["{case.ike}"]', f'esp = ["{case.esp}"]', *case.ours]
        if case.encap:
            more.append('nat_traversal = "force"')
        ours, theirs = case.auth
        prefixes = list(self._prefixes(PREFIX_THEM)) + ([SECOND_PREFIX_THEM] if case.children > 1 else [])
        if case.ppk:
            more += [f'ppk_id = "{PPK[0]}"', f'ppk = "{PPK[1]}"']
            more.append("ppk_required = true")
        if ours != "psk":
            credential = self._credential(ours, OUR_ID)
            more += [f'certificate = "{credential.certificate}"', f'private_key = "{credential.key}"']
            if ours == "rsa-pkcs1":
                more.append('rsa_signature = "pkcs1"')
        if theirs != "psk":
            more.append(f'ca = "{self._credential(theirs, THEIR_ID).ca}"')
        psk = PSK if "psk" in case.auth else None
        local_prefixes = self._prefixes(PREFIX_US)
        if case.virtual and self.role == "responder":
            prefixes = []
            more.append("virtual_pool = [" + ", ".join(f'"{pool}"' for pool in self._prefixes(VIRTUAL_POOL)) + "]")
            more.append("virtual_dns = [" + ", ".join(f'"{dns}"' for dns in self._prefixes(VIRTUAL_DNS)) + "]")
        elif case.virtual:
            local_prefixes = []
            more.append("request_address = [" + ", ".join(f'"ipv{version}"' for version in case.inner) + "]")
        return tunnel_toml(TUNNEL, local_id=OUR_ID, remote_id=THEIR_ID, psk=psk, local_prefixes=local_prefixes,
                           remote_prefixes=prefixes, more="\n".join(more))

    def start_us(self):
        extra = "[ike]\ncookie_threshold = 0\n" if self.case.cookie and self.role == "responder" else ""
        self.us.start(self.tunnel(), THEM[self.case.outer], self.case.outer, extra, roams=self.case.mobike)

    def up(self):
        """Both daemons run; the initiator brings the tunnel up; both say so."""
        if self.case.nat:
            self.net.nat_on("them" if self.role == "responder" else "us")
        if self.role == "responder":
            self.start_us()
            self.peer.start(self.setup())
            if not self.case.childless:
                self.peer.initiate()
        else:
            self.peer.start(self.setup())
            self.start_us()
        if not self.case.childless:
            wait_for("an IKE SA and a Child SA at both sides", lambda: self.us.status().children and
                     self.peer.status().children, 15)

    def stop(self):
        try:
            self.peer.stop()
        finally:
            self.us.stop()
            self.net.restore()

    # Checks.

    def agree(self, children=None):
        """Both sides have the same IKE SA and the same Child SAs, by SPIs, algorithms and encapsulation."""
        children = self.case.children if children is None else children
        def same():
            ours, theirs = self.us.status(), self.peer.status()
            return _difference(ours, theirs, children) is None and (ours, theirs)
        try:
            ours, theirs = wait_for("both sides to agree", same, 8, 0.05)
        except LabError:
            why = _difference(self.us.status(), self.peer.status(), children)
            if why is None:
                return
            raise LabError(f"the two sides disagree: {why}") from None
        expected = {"IKE": (words_of(self.case.ike), ours.ike[0].words)}
        for child in ours.children:
            expected["ESP"] = (without_groups(self.case.esp.split("-")), child.words)
        for what, (wanted, got) in expected.items():
            if wanted != got:
                raise LabError(f"{what} is {'-'.join(sorted(got))}, not {'-'.join(sorted(wanted))}")
        if self.case.encap and not all(child.encap for child in ours.children):
            raise LabError("ESP is not encapsulated in UDP although that is forced")

    def ping(self, count=5):
        """Every packet is answered, both ways, on each inner family."""
        if self.peer.dataplane == "none":
            return
        for version in self.case.inner:
            for host, source, target in (("them", INNER_THEM, INNER_US), ("us", INNER_US, INNER_THEM)):
                if not ping_once(self.net.lab, host, source[version], target[version], count=count):
                    raise LabError(f"packets from {host} ({source[version]}) to {target[version]} were lost")

    def traffic(self):
        return Traffic(self)

    def wait_gone(self, what):
        """`children` or `ike` are gone at both sides."""
        wait_for(f"{what} to be gone at both sides",
                 lambda: not getattr(self.us.status(), what) and not getattr(self.peer.status(), what), 10)

    def run(self):
        """Plays the case; never raises."""
        began = time.monotonic()
        state, reason, theirs = "pass", "", False
        try:
            for step in self.case.steps:
                step(self)
        except Unable as why:
            state, reason = "cannot", str(why)
        except LostByPeer as why:
            state, reason, theirs = "fail", str(why), True
        except Exception as why:  # whatever went wrong is this cell's result
            state, reason = "fail", _sentence(why)
            complaint = self.us.last_complaint()
            if complaint:
                reason += f"; we say: {complaint}"
        pending = bool(self.case.pending)
        if state == "fail" and pending:
            reason = f"not built yet: {self.case.pending} ({reason})"
        return Result(self.peer_class.name, self.case.name, self.role, state, reason,
                      round(time.monotonic() - began, 1), pending, theirs)


class LostByPeer(LabError):
    """Packets were lost, and the peer's kernel counted as many that it dropped."""


def kernel_drops(lab, host):
    """What the host's kernel dropped in IPsec since it began, by reason."""
    rows = (line.split() for line in lab.run(host, "cat", "/proc/net/xfrm_stat").splitlines())
    return {name: int(count) for name, count in rows}


class Traffic:
    """Pings both ways while something happens; `with` fails if one was lost."""

    def __init__(self, cell, interval_s=0.02):
        self.cell, self.interval_s = cell, interval_s
        self.pings = []
        self.drops_before = {}

    def __enter__(self):
        cell = self.cell
        if cell.peer.dataplane == "kernel":
            self.drops_before = kernel_drops(cell.net.lab, "them")
        if cell.peer.dataplane != "none":
            for host, source, target in (("them", INNER_THEM, INNER_US), ("us", INNER_US, INNER_THEM)):
                version = cell.case.inner[0]
                self.pings.append((host, Ping(cell.net.lab, host, source[version], target[version], self.interval_s)))
        return self

    def __exit__(self, kind, value, trace):
        losses, total = [], 0
        for host, ping in self.pings:
            sent, lost = ping.finish()
            total += lost
            if lost:
                losses.append(f"{lost} of {sent} from {host}")
            elif sent == 0:
                losses.append(f"{host} sent nothing")
        if kind is None and losses:
            text = "packets were lost: " + ", ".join(losses)
            drops = self._dropped_by_peer()
            if sum(drops.values()) >= total > 0:
                why = ", ".join(f"{count} {name}" for name, count in drops.items())
                raise LostByPeer(f"{text}; its kernel dropped them ({why})")
            raise LabError(text)

    def _dropped_by_peer(self):
        if not self.drops_before:
            return {}
        now = kernel_drops(self.cell.net.lab, "them")
        return {name: count - self.drops_before[name] for name, count in now.items() if count != self.drops_before[name]}


def _difference(ours, theirs, children):
    """What the two sides disagree in; None if nothing."""
    if len(ours.ike) != 1 or len(theirs.ike) != 1:
        return f"{len(ours.ike)} IKE SAs here, {len(theirs.ike)} there"
    mine, other = ours.ike[0], theirs.ike[0]
    # Not every daemon tells its IKE SPIs and algorithms.
    if other.spi_a and {mine.spi_a, mine.spi_b} != {other.spi_a, other.spi_b}:
        return "the IKE SAs have different SPIs"
    if other.words and mine.words != other.words:
        return f"IKE is {'-'.join(sorted(mine.words))} here, {'-'.join(sorted(other.words))} there"
    if len(ours.children) != children or len(theirs.children) != children:
        return f"{len(ours.children)} Child SAs here, {len(theirs.children)} there, not {children}"
    mirrored = {(child.spi_out, child.spi_in): child for child in theirs.children}
    for child in ours.children:
        other = mirrored.get((child.spi_in, child.spi_out))
        if other is None:
            pairs = ", ".join(f"{child.spi_out or 'several'}/{child.spi_in}" for child in theirs.children)
            return f"Child SA {child.spi_in}/{child.spi_out} here has no counterpart there, where {pairs} are"
        if child.words != other.words:
            return f"ESP is {'-'.join(sorted(child.words))} here, {'-'.join(sorted(other.words))} there"
        if child.encap != other.encap:
            return f"ESP in UDP: {child.encap} here, {other.encap} there"
    return None


def _sentence(why):
    text = str(why).strip() or type(why).__name__
    if not isinstance(why, LabError):
        text = f"{type(why).__name__}: {text}"
    return " ".join(text.split())[:400]
