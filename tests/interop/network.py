# SPDX-License-Identifier: Apache-2.0
"""Where a cell plays: us, a router that may be a NAT, and the peer with two uplinks.

    us ══ mid ══ them        us: wan1 100.64.1.2, wan2 100.64.1.6, anycast 192.0.2.1 and 2001:db8:a::1,
                             inner 10.0.0.1 and fd00::1
                             them: wan1 198.51.100.2, wan2 198.51.100.6, inner 10.1.0.1, 10.1.1.1 and fd01::1
"""

import os

from anylab.lab import Lab

# Debian's user-mode Linux has no nftables.
IPTABLES = os.environ.get("KERNEL_LAB") == "uml"

ANYCAST = {4: "192.0.2.1", 6: "2001:db8:a::1"}
US = {4: "100.64.1.2", 6: "fd64:1::2"}
US_MOVED = {4: "100.64.1.6", 6: "fd64:2::2"}
THEM = {4: "198.51.100.2", 6: "fd98:1::2"}
THEM_MOVED = {4: "198.51.100.6", 6: "fd98:2::2"}
INNER_US = {4: "10.0.0.1", 6: "fd00::1"}
INNER_THEM = {4: "10.1.0.1", 6: "fd01::1"}
SECOND_THEM = "10.1.1.1"
PREFIX_US = {4: "10.0.0.0/24", 6: "fd00::/64"}
PREFIX_THEM = {4: "10.1.0.0/24", 6: "fd01::/64"}
VIRTUAL_POOL = {4: "10.9.0.0/24", 6: "fd00:9::/112"}
VIRTUAL_DNS = {4: "10.0.0.53", 6: "fd00::53"}
SECOND_PREFIX_THEM = "10.1.1.0/24"


class Network:
    def __init__(self, name, pki):
        self.lab, self.pki = Lab(name), pki
        self.uplinks, self.nat = {}, False

    def build(self):
        lab = self.lab
        lab.clean()
        for host in ("us", "mid", "them"):
            lab.add_host(host)
        lab.forward("mid")
        lab.forward("us")
        for host, net4, net6 in (("us", "100.64.1", "fd64"), ("them", "198.51.100", "fd98")):
            for number, dev in ((1, "wan1"), (2, "wan2")):
                low = (number - 1) * 4
                lab.link(host, "mid", f"{net4}.{low + 2}/30,{net6}:{number}::2/64", f"{net4}.{low + 1}/30,{net6}:{number}::1/64",
                         dev, f"to-{host}{number}")
        for version, address in ANYCAST.items():
            lab.ip("mid", f"-{version}", "route", "add", address, "via", US[version])
        for host, inner in (("us", [f"{INNER_US[4]}/32", f"{INNER_US[6]}/128"]),
                            ("them", [f"{INNER_THEM[4]}/32", f"{SECOND_THEM}/32", f"{INNER_THEM[6]}/128"])):
            for cidr in inner:
                lab.ip(host, "addr", "add", cidr, "dev", "lo")
        # What the tunnel should carry must not slip out of it.
        for prefix in ("10.0.0.0/8", "fd00::/16", "fd01::/16"):
            lab.ip("mid", *(["-6"] if ":" in prefix else []), "route", "add", "blackhole", prefix)
        for host in ("us", "them"):
            self.use_uplink(host, "wan1")

    def use_uplink(self, host, dev):
        """The host leaves by this uplink from now on; its other one is down and has no address any more."""
        number, other = (1, "wan2") if dev == "wan1" else (2, "wan1")
        net4, net6 = {"us": ("100.64.1", "fd64"), "them": ("198.51.100", "fd98")}[host]
        ip = self.lab.ip
        ip(host, "link", "set", dev, "up")
        ip(host, "addr", "replace", f"{net4}.{(number - 1) * 4 + 2}/30", "dev", dev)
        # Taking the link down dropped its IPv6 address, and with it the way to the gateway.
        ip(host, "-6", "addr", "replace", f"{net6}:{number}::2/64", "dev", dev, "nodad")
        ip(host, "route", "replace", "default", "via", f"{net4}.{(number - 1) * 4 + 1}", "dev", dev)
        ip(host, "-6", "route", "replace", "default", "via", f"{net6}:{number}::1", "dev", dev)
        ip(host, "-4", "addr", "flush", "dev", other)
        ip(host, "link", "set", other, "down")
        self.uplinks[host] = dev

    def nat_on(self, inside):
        """Hides `inside` (us or them) behind mid's address; source ports are changed too."""
        self.nat = True
        out = "to-us" if inside == "them" else "to-them"
        if IPTABLES:
            for tool in ("iptables-legacy", "ip6tables-legacy"):
                self.lab.run("mid", tool, "-t", "nat", "-A", "POSTROUTING", "-o", f"{out}+", "-j", "MASQUERADE", "--random")
            return
        for family in ("ip", "ip6"):
            self.lab.nft("mid", f"""
table {family} nat {{
  chain post {{
    type nat hook postrouting priority 100
    oifname "{out}*" masquerade random
  }}
}}
""")

    def restore(self):
        """As it was after build(), whatever a cell changed."""
        if self.nat and IPTABLES:
            for tool in ("iptables-legacy", "ip6tables-legacy"):
                self.lab.run("mid", tool, "-t", "nat", "-F", check=False)
        elif self.nat:
            self.lab.run("mid", "nft", "flush", "ruleset", check=False)
        self.nat = False
        for host, dev in self.uplinks.items():
            if dev != "wan1":
                self.use_uplink(host, "wan1")

    def remove(self):
        self.lab.clean()
        self.lab.dir.rmdir()
