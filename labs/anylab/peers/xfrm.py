# SPDX-License-Identifier: Apache-2.0
"""What the kernel says about its ESP SAs: the truth about the Child SAs of every daemon that uses the kernel's ESP."""

import re

from .base import ChildState

INTEG = {"hmac(sha1)": "sha1", "hmac(sha256)": "sha256", "hmac(sha384)": "sha384", "hmac(sha512)": "sha512"}


def _words(block):
    words = set()
    aead = re.search(r"aead (\S+) 0x([0-9a-f]+)", block)
    if aead:
        bits = (len(aead[2]) // 2 - 4) * 8  # the last four octets are the salt
        words.add(f"aes{bits}gcm16" if aead[1] == "rfc4106(gcm(aes))" else
                  "chacha20poly1305" if aead[1] == "rfc7539esp(chacha20,poly1305)" else aead[1])
    enc = re.search(r"\benc (\S+) 0x([0-9a-f]+)", block)
    if enc:
        words.add(f"aes{len(enc[2]) * 4}" if enc[1] == "cbc(aes)" else enc[1])
    if "ecb(cipher_null)" in block:
        words = {"null"}
    auth = re.search(r"auth-trunc (\S+) ", block)
    if auth:
        words.add(INTEG.get(auth[1], auth[1]))
    if re.search(r"flag .*\besn\b", block):
        words.add("esn")
    return frozenset(words)


def _encap(block):
    return "encap type espinudp" in block


def kernel_children(lab, host):
    """The Child SAs in a host's kernel. SAs of one request id are a pair; while a rekey leaves several, they are given
    without a partner."""
    ours = set(re.findall(r"inet6? ([^/\s]+)", lab.run(host, "ip", "-o", "addr")))
    groups = {}
    for block in re.split(r"^(?=src )", lab.run(host, "ip", "xfrm", "state"), flags=re.M):
        head = re.match(r"src (\S+) dst (\S+)\s+proto esp spi 0x([0-9a-f]+) reqid (\d+)", block)
        # An SPI that is only reserved has no algorithm yet.
        if not head or not re.search(r"\b(aead|enc) ", block):
            continue
        way = "out" if head[1] in ours else "in"
        groups.setdefault(head[4], {"in": [], "out": []})[way].append((head[3].zfill(8), block))
    children = []
    for group in groups.values():
        if len(group["in"]) == len(group["out"]) == 1:
            (spi_in, block), (spi_out, _) = group["in"][0], group["out"][0]
            children.append(ChildState(spi_in, spi_out, _words(block), _encap(block)))
        else:
            children += [ChildState(spi, "", _words(block), _encap(block)) for spi, block in group["in"]]
    return tuple(children)
