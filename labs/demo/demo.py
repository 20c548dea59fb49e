# SPDX-License-Identifier: Apache-2.0
"""The demo's story: two strongSwan routers, three edges, one anycast address. Run it with ./demo."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from anylab.fleet import ANYSWAN, tunnel_toml  # noqa: E402
from anylab.lab import LabError, wait_for  # noqa: E402
from anylab.ping import Ping, ping_once  # noqa: E402
from anylab.strongswan import StrongSwan  # noqa: E402
from anylab.topology import ANYCAST, EDGES, Topology  # noqa: E402

NAME = "anyswan-demo"
PSKS = {"cust1": "a-long-random-key-of-customer-one", "cust2": "a-long-random-key-of-customer-two"}
INNER = {"cust1": "10.1.0.1", "cust2": "10.2.0.1"}
PREFIX = {"cust1": "10.1.0.0/24", "cust2": "10.2.0.0/24"}


class Story:
    def __init__(self):
        self.began = time.monotonic()
        self.bold, self.plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")

    def chapter(self, text):
        print(f"\n{self.bold}{text}{self.plain}", flush=True)

    def line(self, text):
        print(f"  {time.monotonic() - self.began:6.2f} s  {text}", flush=True)


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


class Demo:
    def __init__(self):
        self.story = Story()
        self.net = Topology(NAME)
        self.swans = {}
        self.report = {"edges": [], "tunnels": [], "moves": [], "kill": None, "renegotiations": None}

    # Chapter 1.
    def build_network(self):
        story, net = self.story, self.net
        story.chapter(f"1. A small internet: edges {', '.join(EDGES)} share the anycast address {ANYCAST}")
        net.build()
        net.add_customer("cust1", 1, "ams", [INNER["cust1"] + "/32"])
        net.add_customer("cust2", 2, "sin", [INNER["cust2"] + "/32"])
        net.nats.start()
        story.line("nats-server runs in namespace hub")
        for edge in EDGES:
            net.make_edge(edge).start(wait=False)
        for edge in EDGES:
            net.edges[edge].wait_ready()
            state = net.edges[edge].ask("edge")
            self.report["edges"].append({"name": edge, "address": state["address"], "incarnation": state["incarnation"]})
        story.line(f"edges {', '.join(EDGES)} are in step and announce {ANYCAST} on their loopback")

    def apply_tunnels(self):
        tunnels = "".join(tunnel_toml(f"acme/{c}", local_id="anycast.example", remote_id=f"{c}.example", psk=PSKS[c],
                                      local_prefixes=["10.0.0.0/8"], remote_prefixes=[PREFIX[c]])
                          for c in ("cust1", "cust2"))
        path = self.net.lab.dir / "tunnels.toml"
        path.write_text(tunnels)
        path.chmod(0o600)
        self.net.edges["sfo"].cli("apply", "-f", path)
        for edge in EDGES:
            wait_for(f"{edge} to know both tunnels", lambda e=edge: len(self.net.edges[e].ask("tunnels") or []) == 2)
        self.story.line("`anyswan apply` at sfo: tunnels acme/cust1 and acme/cust2 are known at every edge")

    # Chapter 2.
    def connect(self):
        story, net = self.story, self.net
        story.chapter("2. Each customer's strongSwan makes one tunnel to the one address")
        for customer in ("cust1", "cust2"):
            swan = StrongSwan(net.lab, customer)
            self.swans[customer] = swan
            swan.start(local=net.customers[customer]["address"], remote=ANYCAST, local_id=f"{customer}.example",
                       remote_id="anycast.example", psk=PSKS[customer], local_ts=PREFIX[customer],
                       remote_ts="10.0.0.0/8")
        for customer, swan in self.swans.items():
            swan.initiate()
            self.show_spread(customer)

    def show_spread(self, customer):
        rows = {}
        for edge in EDGES:
            rows[edge] = wait_for(f"{edge} to apply the SA of {customer}",
                                  lambda e=edge: [sa for sa in self.net.edges[e].child_sas(f"acme/{customer}")
                                                  if sa["state"] == "applied"])[-1]
        negotiated_on = rows[EDGES[0]]["negotiated_on"]
        applied = {edge: row["applied_ms"] for edge, row in rows.items()}
        self.report["tunnels"].append({"id": f"acme/{customer}", "negotiated_on": negotiated_on,
                                       "suite": rows[EDGES[0]]["suite"], "applied_ms": applied})
        self.story.line(f"{customer} landed on {negotiated_on}; in force after " +
                        ", ".join(f"{ms:.1f} ms on {edge}" for edge, ms in applied.items()))

    # Chapter 3.
    def move(self):
        story, net = self.story, self.net
        story.chapter("3. Pings cust1 -> cust2 while the anycast route of cust1 moves")
        if not wait_for("a first ping from cust1 to cust2",
                        lambda: ping_once(net.lab, "cust1", INNER["cust1"], INNER["cust2"])):
            raise LabError("no ping came through")
        for here, there in (("ams", "sin"), ("sin", "sfo"), ("sfo", "ams")):
            ping = Ping(net.lab, "cust1", INNER["cust1"], INNER["cust2"], interval_s=0.01)
            time.sleep(1.0)  # traffic before the move: this is what the ping counts, not synchronisation
            net.route("cust1", there)
            time.sleep(1.0)
            sent, lost = ping.finish()
            self.report["moves"].append({"from": here, "to": there, "sent": sent, "lost": lost})
            story.line(f"{here} -> {there}: {sent} sent, {lost} lost")

    # Chapter 4.
    def kill(self):
        story, net = self.story, self.net
        victim = self.report["tunnels"][0]["negotiated_on"]
        story.chapter(f"4. kill -9 of {victim}, which negotiated the tunnel of cust1 and carries it now")
        ping = Ping(net.lab, "cust1", INNER["cust1"], INNER["cust2"], interval_s=0.01)
        time.sleep(0.5)
        net.edges[victim].stop(signal.SIGKILL)
        net.route("cust1", "sfo")
        moved = time.monotonic()
        wait_for("a ping after the kill", lambda: ping_once(net.lab, "cust1", INNER["cust1"], INNER["cust2"], timeout_s=1))
        back_ms = (time.monotonic() - moved) * 1000
        time.sleep(1.0)
        sent, lost = ping.finish()
        self.report["kill"] = {"edge": victim, "moved_to": "sfo", "sent": sent, "lost": lost}
        story.line(f"{victim} is dead, the route of cust1 leads to sfo: {sent} sent, {lost} lost "
                   f"(first answer within {back_ms:.0f} ms of the route change)")

    def count_renegotiations(self):
        self.report["renegotiations"] = sum(swan.established_count() - 1 for swan in self.swans.values())

    def final_table(self):
        report = self.report
        self.story.chapter("What happened")
        rows = [["tunnel", "negotiated on", *(f"in force on {e}" for e in EDGES), "suite"]]
        for tunnel in report["tunnels"]:
            rows.append([tunnel["id"], tunnel["negotiated_on"],
                         *(f"{tunnel['applied_ms'][e]:.1f} ms" for e in EDGES), tunnel["suite"]])
        table(rows)
        print()
        rows = [["event", "pings sent", "lost"]]
        rows += [[f"route moves {m['from']} -> {m['to']}", m["sent"], m["lost"]] for m in report["moves"]]
        rows.append([f"kill -9 {report['kill']['edge']}, route to {report['kill']['moved_to']}",
                     report["kill"]["sent"], report["kill"]["lost"]])
        table(rows)
        print(f"\n  renegotiations: {report['renegotiations']}")

    def verdict(self):
        report = self.report
        bad = [f"{m['from']} -> {m['to']} lost {m['lost']} (at most 1 may be in flight)" for m in report["moves"] if m["lost"] > 1]
        if report["renegotiations"] != 0:
            bad.append(f"{report['renegotiations']} renegotiations")
        return bad

    def hint(self):
        lab = self.net.lab
        self.story.chapter("It is still running (--keep). Look inside:")
        print(f"  {ANYSWAN} fleet status --api {lab.dir}/sin.sock\n"
              f"  {ANYSWAN} sa list --api {lab.dir}/sin.sock\n"
              f"  ip netns exec {lab.ns('cust1')} ping -I {INNER['cust1']} {INNER['cust2']}\n"
              f"  tail -f {lab.dir}/anyswan-sin.log\n"
              "  ./demo --down        ends it all")


def main():
    parser = argparse.ArgumentParser(prog="./demo", description="Three edges, one anycast address, two strongSwan "
                                     "routers, on this machine in network namespaces.")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--keep", action="store_true", help="leave it running at the end")
    end.add_argument("--down", action="store_true", help="end what --keep left running")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("demo: network namespaces need root; run it with sudo")
    demo = Demo()
    if options.down:
        demo.net.lab.clean()
        print("demo: everything is gone")
        return 0
    status = 1
    try:
        demo.build_network()
        demo.apply_tunnels()
        demo.connect()
        demo.move()
        demo.kill()
        demo.count_renegotiations()
        demo.final_table()
        bad = demo.verdict()
        print("\n  " + ("As it should be." if not bad else "NOT as it should be: " + "; ".join(bad)))
        status = 1 if bad else 0
        if options.json:
            Path(options.json).write_text(json.dumps(demo.report, indent=2) + "\n")
    except LabError as trouble:
        print(f"demo: {trouble}\ndemo: logs are kept in {demo.net.lab.dir}; ./demo --down removes them", file=sys.stderr)
        return 1
    if options.keep:
        demo.hint()
    else:
        demo.net.lab.clean()
    return status


if __name__ == "__main__":
    sys.exit(main())
