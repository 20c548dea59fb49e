# SPDX-License-Identifier: Apache-2.0
"""The small internet of the demo and the tests.

    cust1 ── inet ── ams          every edge has 192.0.2.1 (and 2001:db8:a::1) on its loopback;
    cust2 ──  │  ├── sin          inet routes the anycast address per customer to one edge at a time
              │  └── sfo
             hub (nats-server), or hub1, hub2, hub3 (a cluster of them)
"""

from .fleet import Edge, Nats, make_fleet_key, nats_store
from .lab import Lab
from .nats_cluster import NatsCluster

ANYCAST = "192.0.2.1"
ANYCAST6 = "2001:db8:a::1"
EDGES = ("ams", "sin", "sfo")
ROUTE_TABLE = 100  # + number of the customer


class Topology:
    def __init__(self, name):
        self.lab = Lab(name)
        self.customers = {}
        self.edges = {}
        self.nats = None

    def build(self, edges=EDGES, hubs=("hub",)):
        lab = self.lab
        lab.clean()
        lab.add_host("inet")
        lab.forward("inet")
        addresses = {hub: f"100.64.{9 + number}.2" for number, hub in enumerate(hubs)}
        for number, hub in enumerate(hubs):
            lab.add_host(hub)
            lab.link("inet", hub, f"100.64.{9 + number}.1/30", f"{addresses[hub]}/30")
            lab.ip(hub, "route", "add", "default", "via", f"100.64.{9 + number}.1")
        for number, edge in enumerate(edges, 1):
            lab.add_host(edge)
            lab.forward(edge)
            lab.link("inet", edge, f"100.64.{number}.1/30,fd64:{number}::1/64", f"100.64.{number}.2/30,fd64:{number}::2/64")
            lab.ip(edge, "route", "add", "default", "via", f"100.64.{number}.1")
            lab.ip(edge, "-6", "route", "add", "default", "via", f"fd64:{number}::1")
        self.nats = Nats(lab, hubs[0], addresses[hubs[0]]) if len(hubs) == 1 else NatsCluster(lab, addresses)
        self.key = make_fleet_key(lab)
        self.names = edges

    def edge_address(self, edge):
        return f"100.64.{self.names.index(edge) + 1}.2"

    def add_customer(self, host, number, edge, inner=(), nat=False):
        """A customer's router, its anycast traffic routed to `edge`. With `nat`, a NAT stands in between."""
        lab = self.lab
        lab.add_host(host)
        outer, outer6 = f"198.51.100.{number * 4 + 2}", f"fd98:{number}::2"
        gateway, gateway6 = f"198.51.100.{number * 4 + 1}", f"fd98:{number}::1"
        if nat:
            box = f"{host}-nat"
            lab.add_host(box)
            lab.forward(box)
            lab.link("inet", box, f"{gateway}/30,{gateway6}/64", f"{outer}/30,{outer6}/64", dev_a=f"to-{host}"[:15], dev_b="wan")
            lab.ip(box, "route", "add", "default", "via", gateway)
            lab.ip(box, "-6", "route", "add", "default", "via", gateway6)
            lab.link(box, host, "192.168.7.1/24,fd07::1/64", "192.168.7.2/24,fd07::2/64")
            lab.ip(host, "route", "add", "default", "via", "192.168.7.1")
            lab.ip(host, "-6", "route", "add", "default", "via", "fd07::1")
            for family in ("ip", "ip6"):
                lab.nft(box, f"""
table {family} nat {{
  chain post {{
    type nat hook postrouting priority 100
    oifname "wan" masquerade random
  }}
}}
""")
        else:
            lab.link("inet", host, f"{gateway}/30,{gateway6}/64", f"{outer}/30,{outer6}/64")
            lab.ip(host, "route", "add", "default", "via", gateway)
            lab.ip(host, "-6", "route", "add", "default", "via", gateway6)
        for cidr in inner:
            lab.ip(host, "addr", "add", cidr, "dev", "lo")
        table = ROUTE_TABLE + number
        lab.ip("inet", "rule", "add", "from", outer, "lookup", table)
        lab.ip("inet", "-6", "rule", "add", "from", outer6, "lookup", table)
        self.customers[host] = {"table": table, "outer": outer, "outer6": outer6, "edge": None,
                                "address": "192.168.7.2" if nat else outer,
                                "address6": "fd07::2" if nat else outer6}
        self.route(host, edge)

    def route(self, customer, edge):
        """From now on the customer's packets to the anycast addresses land on `edge`."""
        number = self.names.index(edge) + 1
        table = self.customers[customer]["table"]
        self.lab.ip("inet", "route", "replace", ANYCAST, "via", f"100.64.{number}.2", "table", table)
        self.lab.ip("inet", "-6", "route", "replace", ANYCAST6, "via", f"fd64:{number}::2", "table", table)
        self.customers[customer]["edge"] = edge

    def cut(self, customer):
        """From now on the customer's packets to the anycast addresses get lost."""
        table = self.customers[customer]["table"]
        self.lab.ip("inet", "route", "replace", "blackhole", ANYCAST, "table", table)
        self.lab.ip("inet", "-6", "route", "replace", "blackhole", ANYCAST6, "table", table)

    def make_edge(self, host, extra="", store=None):
        edge = Edge(self.lab, host, self.names.index(host) + 1, self.edge_address(host), [ANYCAST, ANYCAST6],
                    store or nats_store(self.nats), self.key, extra)
        self.edges[host] = edge
        return edge
