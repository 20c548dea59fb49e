# SPDX-License-Identifier: Apache-2.0
"""What a real kernel sends: dumps and events, in hex, each behind a line that names it. Run by capture.sh in a guest."""

import socket
import struct
import subprocess
import sys
import time

GETSA, NEWPOLICY, GETPOLICY, NEWAE, GETAE = 0x12, 0x13, 0x15, 0x1E, 0x1F
EVENTS = {0x17: "acquire", 0x18: "expire", 0x26: "mapping", 0x1E: "aevent"}
# RTMGRP-style bits of XFRMNLGRP_ACQUIRE, EXPIRE, AEVENTS and MAPPING.
GROUPS = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 7
GCM = "aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128"


def ip(words, at="b"):
    subprocess.run(["ip", "-n", at, *words.split()], check=True)


def xfrm_socket(groups=0):
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6)
    opened.bind((0, groups))
    opened.settimeout(4)
    return opened


def ask(kind, flags, body):
    link = xfrm_socket()
    link.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    return link.recv(65536)


def first_message(data):
    return data[:struct.unpack_from("I", data)[0]]


def show(name, data):
    print(f"# {name}\n{first_message(data).hex()}", flush=True)


def wait_for(link, wanted):
    while True:
        data = link.recv(65536)
        if EVENTS.get(struct.unpack_from("H", data, 4)[0]) == wanted:
            return data


def main():
    import ctypes
    import os
    libc = ctypes.CDLL(None)
    for command in ("netns add a", "netns add b", "link add va netns a type veth peer name vb netns b"):
        subprocess.run(["ip", *command.split()], check=True)
    for at, device, address in (("a", "va", "192.0.2.2/24"), ("b", "vb", "192.0.2.1/24")):
        ip(f"addr add {address} dev {device}", at)
        ip(f"link set {device} up", at)
        ip("link set lo up", at)
    descriptor = os.open("/run/netns/b", os.O_RDONLY)
    libc.setns(descriptor, 0)
    events = xfrm_socket(GROUPS)

    ip("xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out if_id 0 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid "
       "0x40000001 mode tunnel")
    subprocess.run(["ping", "-c1", "-W1", "192.0.2.2"], stdout=subprocess.DEVNULL)
    show("event acquire: no state for the policy of reqid 0x40000001, 192.0.2.1 -> 192.0.2.2", wait_for(events, "acquire"))
    ip("xfrm state flush")

    state = ("xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 reqid 0x40000001 mode tunnel flag af-unspec "
             f"replay-window 64 {GCM} limit packet-soft 1 limit packet-hard 3")
    ip(state)
    sa_id = struct.pack("16s", socket.inet_aton("192.0.2.2")) + struct.pack(">I", 0x1001) + struct.pack("HBx", 2, 50)
    subprocess.run(["ping", "-c5", "-i0.02", "-W1", "192.0.2.2"], stdout=subprocess.DEVNULL)
    show("event expire soft: spi 0x1001, packet-soft 1", wait_for(events, "expire"))
    show("event expire hard: the same, packet-hard 3", wait_for(events, "expire"))

    ip(state.split(" limit")[0] + " flag esn if_id 0x40000001 encap espinudp 4500 4501 0.0.0.0 replay-oseq 7 replay-oseq-hi 1")
    show("dump state: spi 0x1001, gcm, esn, window 64, if_id 0x40000001, encap 4500 4501, oseq 1:7", ask(GETSA, 0x301, b""))
    show("dump policy: out, reqid 0x40000001", ask(GETPOLICY, 0x301, b""))
    show("answer to GETAE: spi 0x1001", ask(GETAE, 1, sa_id + bytes(16) + struct.pack("II", 0, 0)))
    ip("xfrm state flush")
    ip("xfrm policy flush")

    inner = "src 10.2.0.0/16 dst 10.1.0.0/16"
    ip("addr add 10.2.0.1/32 dev lo", "a")
    ip("route add 10.1.0.0/16 via 192.0.2.1 src 10.2.0.1", "a")
    ip("addr add 10.1.0.1/32 dev lo")
    ip(f"xfrm policy add {inner} dir out tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 1 mode tunnel", "a")
    ip(f"xfrm policy add {inner} dir in tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 1 mode tunnel")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", 4500))
    udp.setsockopt(socket.IPPROTO_UDP, 100, 2)  # UDP_ENCAP, UDP_ENCAP_ESPINUDP
    both = f"xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x1000 reqid 1 mode tunnel replay-window 64 {GCM}"
    ip(both + " encap espinudp 4777 4500 0.0.0.0", "a")
    ip(both + " encap espinudp 4500 4500 0.0.0.0")
    time.sleep(1.2)
    subprocess.run(["ip", "netns", "exec", "a", "ping", "-c3", "-i0.2", "-W1", "-I", "10.2.0.1", "10.1.0.1"],
                   stdout=subprocess.DEVNULL)
    seen = {}
    while not {"mapping", "aevent"} <= set(seen):
        data = events.recv(65536)
        seen.setdefault(EVENTS.get(struct.unpack_from("H", data, 4)[0]), data)
    show("event mapping: spi 0x1000 moved from 192.0.2.2:4500 to 192.0.2.2:4777", seen["mapping"])
    show("event aevent: spi 0x1000 received a packet", seen["aevent"])


sys.exit(main())
