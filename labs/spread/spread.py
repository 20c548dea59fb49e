# SPDX-License-Identifier: Apache-2.0
"""How long from publish to in force, on every edge: one strongSwan makes its tunnel again and again.

    python3 labs/spread/spread.py [--tunnels N] [--json FILE]        (root; after `tools/setup build`)

Each figure is a difference of wall clocks read by the daemons themselves: when the negotiating edge hands the
record to the store, and when another edge's dataplane has the SA in force.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from anylab.fleet import tunnel_toml  # noqa: E402
from anylab.lab import wait_for  # noqa: E402
from anylab.strongswan import StrongSwan  # noqa: E402
from anylab.topology import ANYCAST, EDGES, Topology  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tunnels", type=int, default=50)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    net = Topology("anyswan-spread")
    net.build()
    net.add_customer("cust1", 1, "ams", ["10.1.0.1/32"])
    net.nats.start()
    for edge in EDGES:
        net.make_edge(edge).start(wait=False)
    for edge in EDGES:
        net.edges[edge].wait_ready()
    path = net.lab.dir / "tunnels.toml"
    path.write_text(tunnel_toml("acme/cust1", local_id="anycast.example", remote_id="cust1.example",
                                psk="a-long-random-key", local_prefixes=["10.0.0.0/8"], remote_prefixes=["10.1.0.0/24"]))
    net.edges["ams"].cli("apply", "-f", path)
    wait_for("ams to know the tunnel", lambda: net.edges["ams"].ask("tunnels"))
    swan = StrongSwan(net.lab, "cust1")
    swan.start(local=net.customers["cust1"]["address"], remote=ANYCAST, local_id="cust1.example",
               remote_id="anycast.example", psk="a-long-random-key", local_ts="10.1.0.0/24", remote_ts="10.0.0.0/8")
    figures = {edge: [] for edge in EDGES}
    for _ in range(options.tunnels):
        swan.initiate()
        for edge in EDGES:
            row = wait_for(f"{edge} to apply the SA",
                           lambda e=edge: [sa for sa in net.edges[e].child_sas() if sa["state"] == "applied"])[-1]
            figures[edge].append(row["applied_ms"])
        swan.terminate()
        for edge in EDGES:
            wait_for(f"{edge} to drop the SA", lambda e=edge: net.edges[e].child_sas() == [])
    print(f"publish to in force, {options.tunnels} SAs negotiated on ams, milliseconds")
    report = {}
    for edge, values in figures.items():
        values.sort()
        report[edge] = {"median": statistics.median(values), "p99": values[int(len(values) * 0.99)], "max": values[-1]}
        print(f"  {edge}: median {report[edge]['median']:.1f}, p99 {report[edge]['p99']:.1f}, max {report[edge]['max']:.1f}")
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    net.lab.clean()


if __name__ == "__main__":
    main()
