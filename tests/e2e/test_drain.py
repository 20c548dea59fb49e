# SPDX-License-Identifier: Apache-2.0
"""Edges leave and come back under traffic: a drain loses no packet, and no IKE exchange is repeated."""

import json
import signal
import time

from anylab.lab import wait_for
from anylab.ping import Ping
from anylab.topology import ANYCAST, ANYCAST6
from common import INNER, FleetTest

# What a routing daemon does in the field: each customer's packets go to the first edge of its list that is up.
HOOK = """#!/usr/bin/python3
import fcntl, json, os, pathlib, subprocess, sys
folder, edge, word = pathlib.Path(sys.argv[1]), os.environ["ANYSWAN_EDGE"], sys.argv[-1]
with open(folder / "lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    plan = json.loads((folder / "plan.json").read_text())
    with open(folder / "runs", "a") as runs:
        runs.write(f"{edge} {word}\\n")
    if (folder / "broken").exists():
        sys.exit("no routing daemon here")
    up = set(filter(None, (folder / "up").read_text().split()))
    up = up | {edge} if word == "up" else up - {edge}
    (folder / "up").write_text(" ".join(sorted(up)))
    for customer in plan["customers"]:
        best = next((name for name in customer["edges"] if name in up), None)
        for address, via in zip(plan["anycast"], plan["via"].get(best, ())):
            subprocess.run(["ip", "-n", plan["inet"], *(["-6"] if ":" in via else []), "route", "replace", address,
                            "via", via, "table", str(customer["table"])], check=True)
"""


class Drain(FleetTest):
    edges = ("ams", "sin", "sfo")
    preferences = {"cust1": ("ams", "sin", "sfo"), "cust2": ("sin", "sfo", "ams")}

    @classmethod
    def make_edge(cls, name):
        folder = cls.net.lab.dir / "routes"
        folder.mkdir(exist_ok=True)
        hook = folder / "hook"
        if not hook.exists():
            hook.write_text(HOOK)
            hook.chmod(0o700)
            (folder / "up").write_text("")
            (folder / "plan.json").write_text(json.dumps({"customers": []}))
        edge = cls.net.make_edge(name)
        edge.config.write_text(edge.config.read_text().replace(
            "[edge]\n", f'[edge]\nannounce_hook = ["{hook}", "{folder}"]\n', 1))
        return edge

    @classmethod
    def set_up_fleet(cls):
        cls.routes = cls.net.lab.dir / "routes"
        for number, (customer, edges) in enumerate(cls.preferences.items(), 1):
            cls.net.add_customer(customer, number, edges[0], [f"{INNER[number]}/32"])
        plan = {"inet": cls.net.lab.ns("inet"), "anycast": [ANYCAST, ANYCAST6],
                "via": {edge: [f"100.64.{n}.2", f"fd64:{n}::2"] for n, edge in enumerate(cls.edges, 1)},
                "customers": [{"table": cls.net.customers[name]["table"], "edges": edges}
                              for name, edges in cls.preferences.items()]}
        (cls.routes / "plan.json").write_text(json.dumps(plan))
        cls.apply(cls.tunnel(1) + cls.tunnel(2))
        cls.wait_tunnels(2)
        for number in (1, 2):
            cls.start_swan(number, dpd_s=1).initiate()

    def health(self, edge):
        return json.loads(self.net.edges[edge].cli("health", "--json", check=False).stdout or "{}")

    def wait_healthy(self, edge):
        wait_for(f"{edge} to be healthy", lambda: self.net.edges[edge].cli("health", check=False).returncode == 0)
        wait_for(f"{edge} to be announced", lambda: self.health(edge).get("announced"))

    def retransmissions(self):
        ours = sum((edge.ask("counters") or {}).get("ike_retransmission", 0) for edge in self.net.edges.values())
        theirs = sum(swan.log().count("retransmit ") for swan in self.swans.values())
        return ours, theirs

    def owned(self, edge):
        return len((self.net.edges[edge].ask("sas") or {}).get("ike_sas", []))

    def test_1_a_rolling_restart_of_the_whole_fleet(self):
        for edge in self.edges:
            self.wait_healthy(edge)
        self.assert_ping("cust1", INNER[1], INNER[2])
        lab = self.net.lab
        lab.start("cust2", "sink", ["iperf3", "-s", "-1", "-B", INNER[2]])
        time.sleep(0.5)
        pings = [Ping(lab, "cust1", INNER[1], INNER[2], interval_s=0.01),
                 Ping(lab, "cust2", INNER[2], INNER[1], interval_s=0.01)]
        stream = lab.start("cust1", "source", ["iperf3", "-c", INNER[2], "-B", INNER[1], "-t", "300", "-b", "2M"])
        repeated = 0, sum(swan.log().count("retransmit ") for swan in self.swans.values())
        for name in self.edges:
            edge = self.net.edges[name]
            owned = self.owned(name)
            began = time.monotonic()
            edge.cli("drain", "--wait", "--timeout", "60")
            self.assertEqual(self.owned(name), 0)
            self.assertEqual(self.health(name)["state"], "drained")
            self.assertEqual(edge.cli("health", check=False).returncode, 1)
            handed = (edge.ask("counters") or {}).get("ike_handed_over", 0)
            print(f"{name}: drained in {time.monotonic() - began:.1f} s, gave {handed} IKE SAs away", flush=True)
            self.assertGreaterEqual(handed, owned)
            ours = self.retransmissions()[0]
            self.assertEqual(ours, 0, "a request of ours was sent twice")
            edge.stop(signal.SIGTERM)
            edge.start()
            self.wait_healthy(name)
            time.sleep(1)
        for ping in pings:
            sent, lost = ping.finish()
            self.assertGreater(sent, 800)
            # Usually none. Six routes move; at each a packet under way can be too old for the router's window of 32 once
            # the next sender has begun above the reserved numbers.
            self.assertLessEqual(lost, 2, f"of {sent}: {ping.lost}")
        self.assertIsNone(stream.poll(), "the TCP stream ended: " + lab.log("source"))
        lab.end("source", signal.SIGINT)
        lab.end("sink", signal.SIGINT)
        self.assertEqual(self.retransmissions(), repeated, "an IKE exchange was repeated")
        for swan in self.swans.values():
            self.assertEqual(swan.established_count(), 1, "the peer began a new IKE SA")

    def test_2_a_cancelled_drain_serves_again(self):
        edge = self.net.edges["ams"]
        ping = Ping(self.net.lab, "cust1", INNER[1], INNER[2], interval_s=0.01)
        edge.cli("drain")
        self.assertEqual(self.health("ams")["state"], "draining")
        rows = {row["name"]: row for row in self.net.edges["sin"].ask("fleet")["edges"]}
        wait_for("another edge to hear of it", lambda: {
            row["name"]: row for row in self.net.edges["sin"].ask("fleet")["edges"]}["ams"]["draining"])
        self.assertTrue(rows)
        self.assertIn("serving", edge.cli("drain", "--cancel"))
        self.wait_healthy("ams")
        self.assertEqual(edge.cli("drain", "--cancel", check=False).returncode, 1)
        time.sleep(1)
        self.assertEqual(ping.finish()[1], 0)

    def test_3_a_hook_that_fails_is_told_and_the_drain_given_up(self):
        (self.routes / "broken").touch()
        edge = self.net.edges["sin"]
        done = edge.cli("drain", "--wait", "--timeout", "3", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("serves again", done.stderr)
        self.assertIn("no routing daemon here", done.stderr)
        (self.routes / "broken").unlink()
        self.wait_healthy("sin")
        self.assert_ping("cust2", INNER[2], INNER[1])

    def test_4_without_the_store_a_drain_is_refused_or_given_up(self):
        edge = self.net.edges["ams"]
        self.net.nats.stop(signal.SIGTERM)
        wait_for("ams to notice", lambda: not edge.ask("edge")["store"]["connected"])
        done = edge.cli("drain", "--wait", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the store is not reachable", done.stderr)
        self.assertEqual(edge.cli("health", check=False).returncode, 0, "it goes on serving")
        self.assert_ping("cust1", INNER[1], INNER[2])
        self.net.nats.start()
        for name in self.edges:
            wait_for(f"{name} to reach the store", lambda e=name: self.net.edges[e].ask("edge")["store"]["connected"])
        # It dies in the middle.
        edge.cli("drain", "--timeout", "5")
        self.net.nats.stop(signal.SIGTERM)
        wait_for("the drain to be given up", lambda: self.health("ams").get("state") == "serving", 15)
        self.assertTrue(self.health("ams")["drain_given_up"])
        self.net.nats.start()
        for name in self.edges:
            wait_for(f"{name} to reach the store", lambda e=name: self.net.edges[e].ask("edge")["store"]["connected"])
        self.assert_ping("cust1", INNER[1], INNER[2])

    def test_5_the_last_edge_is_not_drained(self):
        for name in ("sin", "sfo"):
            wait_for(f"{name} to be drained", lambda e=name: self.net.edges[e].cli(
                "drain", "--wait", check=False).returncode == 0, 90)
            self.net.edges[name].stop(signal.SIGTERM)
        time.sleep(3)
        done = self.net.edges["ams"].cli("drain", "--wait", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nobody could take over; start one", done.stderr)
        self.assertEqual(self.net.edges["ams"].cli("health", check=False).returncode, 0)
        self.assert_ping("cust1", INNER[1], INNER[2])
