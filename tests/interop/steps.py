# SPDX-License-Identifier: Apache-2.0
"""What a case does after its tunnel is up. Each function takes a cell; those with options return such a function."""

import threading
import time
from ipaddress import ip_address, ip_network

from anylab.lab import LabError, wait_for
from anylab.ping import ping_once
from network import ANYCAST, INNER_THEM, INNER_US, SECOND_THEM, THEM_MOVED, US_MOVED, VIRTUAL_DNS, VIRTUAL_POOL
from ours import TUNNEL as TUNNEL_NAME


def up(cell):
    cell.up()


def agree(cell):
    cell.agree()


def ping(cell):
    cell.ping()


TUNNEL = (up, agree, ping)


def virtual(cell):
    """The initiator has an address of each pool and the DNS servers, and packets pass from and to it."""
    sa = cell.us.daemon.ask("sas")["ike_sas"][0]
    addresses = {6 if ":" in address else 4: address for address in sa["virtual_addresses"]}
    for version in cell.case.inner:
        if version not in addresses or ip_address(addresses[version]) not in ip_network(VIRTUAL_POOL[version]):
            raise LabError(f"{sa['virtual_addresses']} has no address of {VIRTUAL_POOL[version]}")
        if cell.role == "initiator" and VIRTUAL_DNS[version] not in sa["dns"]:
            raise LabError(f"{sa['dns']} lacks {VIRTUAL_DNS[version]}")
        host, other, far = ("them", "us", INNER_US) if cell.role == "responder" else ("us", "them", INNER_THEM)
        for source, start, target in ((host, addresses[version], far[version]), (other, far[version], addresses[version])):
            if not ping_once(cell.net.lab, source, start, target, count=5):
                raise LabError(f"packets from {source} ({start}) to {target} were lost")
    return addresses


def rekeyed_virtual(cell):
    """The address stays through a rekey of the Child SA and of the IKE SA."""
    before = virtual(cell)
    for what in ("child", "ike"):
        known = _spis(cell, what)
        _rekey(cell, what, "us")
        wait_for(f"the rekey of the {what} SA", lambda k=known, w=what: not _spis(cell, w) & k, 8)
        cell.agree()
    if virtual(cell) != before:
        raise LabError("the address changed with a rekey")



def authenticated(cell):
    """The peer verified us by what the case says, not by something else."""
    kind = cell.peer.authenticated_us_with()
    if kind not in (None, cell.case.auth[0]):
        raise LabError(f"the peer authenticated us by {kind} instead of {cell.case.auth[0]}")


def _spis(cell, what):
    status = cell.us.status()
    rows = status.children if what == "child" else status.ike
    return {(row.spi_in if what == "child" else row.spi_a) for row in rows}


def _rekey(cell, what, by):
    if by == "peer":
        cell.peer.rekey_child() if what == "child" else cell.peer.rekey_ike()
        return
    status = cell.us.status()
    if what == "child":
        cell.us.rekey(status.children[0].spi_in)
    else:
        cell.us.rekey(cell.us.status().ike[0].spi_a)


def _renewed(cell, what, before):
    """The SA was replaced, and by rekeying: the other kind of SA is the same as before."""
    other = "ike" if what == "child" else "child"
    now = _spis(cell, what)
    if _spis(cell, other) - before[other]:
        raise LabError(f"the {what} SA was not rekeyed, a new tunnel was made instead")
    return len(now) == 1 and not now & before[what]


def rekey(what, by, times=20):
    """`times` rekeys one after another under traffic, none lost; each leaves exactly one new SA at both sides."""
    def step(cell):
        with cell.traffic():
            for number in range(1, times + 1):
                before = {kind: _spis(cell, kind) for kind in ("child", "ike")}
                _rekey(cell, what, by)
                wait_for(f"rekey {number} of the {what} SA by {by}", lambda: _renewed(cell, what, before), 8)
                cell.agree()
    return step


def collide(what, times=20):
    """Both sides rekey the same SA at the same moment, under traffic."""
    def step(cell):
        with cell.traffic():
            for number in range(1, times + 1):
                before = {kind: _spis(cell, kind) for kind in ("child", "ike")}
                trouble = []

                def start(by):
                    try:
                        _rekey(cell, what, by)
                    except LabError as why:
                        # The other side may have been quicker: then there is nothing left to rekey.
                        if not _spis(cell, what) - before[what]:
                            trouble.append(why)
                threads = [threading.Thread(target=start, args=(by,)) for by in ("peer", "us")]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                if trouble:
                    raise trouble[0]
                wait_for(f"collision {number} of {what} rekeys to leave one new SA",
                         lambda: _renewed(cell, what, before), 10)
                cell.agree()
    return step


def delete(what, by):
    """One side deletes the Child SA or the IKE SA; it is gone at both. As initiator we make it anew."""
    def step(cell):
        before = _spis(cell, "child")
        if by == "peer":
            cell.peer.delete_child() if what == "child" else cell.peer.delete_ike()
        else:
            cell.us.delete(next(iter(before)) if what == "child" else cell.us.status().ike[0].spi_a)
        if cell.role == "responder":
            cell.wait_gone("children" if what == "child" else "ike")
        else:
            # Our connector keeps its tunnel up: a new one comes for the old.
            wait_for("our connector to bring the tunnel up again", lambda: _spis(cell, "child") and
                     not _spis(cell, "child") & before and cell.peer.status().children, 20)
            cell.agree()
            cell.ping()
    return step


def dpd_by_peer(cell):
    """The peer asks twice and is answered; the tunnel lives on."""
    before = _spis(cell, "ike")
    heard = cell.us.datagrams_in()  # on a quiet tunnel IKE is liveness checks alone
    wait_for("two liveness checks of the peer", lambda: cell.us.datagrams_in() >= heard + 2, 15)
    time.sleep(1.5)
    if _spis(cell, "ike") != before:
        raise LabError("the IKE SA did not survive the peer's liveness checks")
    cell.ping()


def dpd_by_us(cell):
    """We ask a silent but living peer and keep the SA; when it is frozen, we end the SA."""
    before = _spis(cell, "ike")
    heard = cell.us.datagrams_in()
    wait_for("two liveness checks of ours to be answered", lambda: cell.us.datagrams_in() >= heard + 2, 20)
    if _spis(cell, "ike") != before:
        raise LabError("we gave up although the peer answered")
    cell.peer.freeze()
    wait_for("us to notice that the peer is silent", lambda: not _spis(cell, "ike") & before, 90, 0.2)


def peer_moves(cell):
    """MOBIKE: the peer goes to its other uplink; the same IKE SA and Child SAs carry packets from there."""
    ike, expected = _spis(cell, "ike"), tuple(THEM_MOVED.values())  # the IP version is the peer's choice
    cell.net.use_uplink("them", "wan2")
    wait_for(f"our IKE SA to have a new address of the peer's: {' or '.join(expected)}",
             lambda: any(address in sa.remote for sa in cell.us.status().ike for address in expected), 20)
    if _spis(cell, "ike") != ike:
        raise LabError("a new IKE SA was made instead of moving the old one")
    wait_for("packets to pass again", lambda: ping_once(cell.net.lab, "them", "10.1.0.1", INNER_US[4], timeout_s=1), 10)
    cell.agree()
    cell.ping()


def we_move(cell):
    """MOBIKE: our connector goes to its other uplink; the peer follows, nothing is made anew."""
    ike, expected = _spis(cell, "ike"), US_MOVED[cell.case.outer]
    cell.net.use_uplink("us", "wan2")
    wait_for(f"the peer's IKE SA to have our new address {expected}",
             lambda: any(expected in sa.remote for sa in cell.peer.status().ike), 20)
    if _spis(cell, "ike") != ike:
        raise LabError("a new IKE SA was made instead of moving the old one")
    wait_for("packets to pass again", lambda: ping_once(cell.net.lab, "us", INNER_US[4], "10.1.0.1", timeout_s=1), 10)
    cell.agree()
    cell.ping()


def sent_away(when):
    """REDIRECT to our IPv6 anycast address: of a peer that begins (before or after it has authenticated), or of one that is here."""
    def step(cell):
        expected = ANYCAST[6]
        if when == "established":
            cell.us.redirect(expected, "--existing")
        else:
            cell.peer.delete_ike()
            cell.wait_gone("ike")
            cell.us.redirect(expected, *(["--tunnel", TUNNEL_NAME] if when == "auth" else []))
            try:
                cell.peer.initiate()
            except LabError:
                pass  # the IKE SA that was asked for ended: another comes in its place
        wait_for(f"an IKE SA at {expected}",
                 lambda: any(expected in sa.local for sa in cell.us.status().ike) and len(cell.us.status().ike) == 1, 20)
        cell.us.redirect()
        cell.agree()
        cell.ping()
    return step


def nat_rebinds(cell):
    """The NAT forgets its mappings: the peer's next packet comes from another port."""
    before = cell.us.status().ike[0].remote
    cell.net.lab.run("mid", "conntrack", "-F")
    wait_for("packets to pass again", lambda: ping_once(cell.net.lab, "them", "10.1.0.1", INNER_US[4], timeout_s=1), 15)
    wait_for("both directions to work", lambda: ping_once(cell.net.lab, "us", INNER_US[4], "10.1.0.1", timeout_s=1), 5)
    if len(cell.us.status().ike) != 1:
        raise LabError(f"the IKE SA with {before} did not live on")


def childless(cell):
    """An IKE SA alone, then a Child SA under it. As initiator we ask for that at once."""
    if cell.role == "initiator":
        wait_for("an IKE SA and a Child SA at both sides", lambda: cell.us.status().children and
                 cell.peer.status().children, 15)
        if "childless (RFC 6023)" not in cell.us.log():
            raise LabError("the Child SA came with IKE_AUTH")
        return
    cell.peer.initiate_ike()
    wait_for("an IKE SA at both sides", lambda: cell.us.status().ike and cell.peer.status().ike, 15)
    if cell.us.status().children:
        raise LabError("a Child SA came with it")
    cell.agree(children=0)
    cell.peer.initiate("net")
    wait_for("the Child SA", lambda: cell.us.status().children and cell.peer.status().children, 10)


def second_child(cell):
    """The peer asks for another Child SA under the same IKE SA; both carry packets."""
    cell.agree(children=1)
    cell.peer.initiate("net2")
    wait_for("two Child SAs at both sides", lambda: len(cell.us.status().children) == 2 and
             len(cell.peer.status().children) == 2, 10)
    cell.agree()
    cell.ping()
    if cell.peer.dataplane != "none" and not ping_once(cell.net.lab, "them", SECOND_THEM, INNER_US[4], count=5):
        raise LabError("packets of the second Child SA were lost")


def reauthenticate(cell):
    """The peer makes a new IKE SA and Child SA before it deletes the old ones; nothing is lost."""
    before = _spis(cell, "ike")
    with cell.traffic():
        cell.peer.reauthenticate()
        wait_for("a new IKE SA instead of the old one",
                 lambda: len(_spis(cell, "ike")) == 1 and not _spis(cell, "ike") & before, 15)
        time.sleep(0.5)
    cell.agree()
    cell.ping()


def only_encapsulated(cell):
    if not all(child.encap for child in cell.us.status().children):
        raise LabError("ESP is not encapsulated in UDP")


def only_raw(cell):
    if any(child.encap for child in cell.us.status().children):
        raise LabError("ESP is encapsulated in UDP although there is no NAT")

