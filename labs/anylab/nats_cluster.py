# SPDX-License-Identifier: Apache-2.0
"""Three NATS servers that keep one store together, each on a host of its own."""

import json
import os
import signal
import subprocess

from .lab import BUILD, ROOT, Lab, LabError, wait_for


def fetched_nats_server():
    """A server that keeps replicas well: 2.9.21 or later, which Debian 12 does not have."""
    named = os.environ.get("ANYSWAN_NATS_SERVER_2_10")
    if named:
        return named
    binary = BUILD / "nats-server-2.10/usr/sbin/nats-server"
    if not binary.exists():
        Lab.sh(ROOT / "tools/fetch-nats-server", timeout=300)
    return str(binary)


class NatsCluster:
    def __init__(self, lab, addresses):
        """`addresses`: host -> its address."""
        self.lab, self.addresses = lab, addresses
        self.urls = [f"nats://{address}:4222" for address in addresses.values()]
        self.replicas = len(addresses)
        self.server = fetched_nats_server()

    def start(self):
        for host in self.addresses:
            self.start_one(host)
        wait_for("the NATS servers to elect a leader", self.is_whole, 30)

    def start_one(self, host):
        address = self.addresses[host]
        routes = ", ".join(f'"nats-route://{other}:6222"' for other in self.addresses.values() if other != address)
        config = self.lab.dir / f"{host}.conf"
        config.write_text(f"""
server_name: {host}
listen: {address}:4222
http: {address}:8222
jetstream {{ store_dir: "{self.lab.dir}/{host}" }}
cluster {{ name: fleet, listen: {address}:6222, routes: [ {routes} ] }}
""")
        self.lab.start(host, f"nats-{host}", [self.server, "-c", config])

    def kill(self, host):
        self.lab.end(f"nats-{host}", signal.SIGKILL)

    def _ask(self, host, path):
        done = subprocess.run(["ip", "netns", "exec", self.lab.ns(host), "curl", "-s", "--max-time", "1",
                               f"http://{self.addresses[host]}:8222/{path}"], text=True, capture_output=True)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}

    def is_whole(self):
        """Every server runs and follows the one that leads them."""
        leaders = {self._ask(host, "jsz").get("meta_cluster", {}).get("leader") for host in self.addresses}
        return len(leaders) == 1 and None not in leaders

    def leader_of(self, part_of_name):
        """The host that leads the stream whose name has `part_of_name` in it."""
        for host in self.addresses:
            for account in self._ask(host, "jsz?streams=true&accounts=true").get("account_details", []):
                for stream in account.get("stream_detail", []):
                    leader = stream.get("cluster", {}).get("leader")
                    if part_of_name in stream["name"] and leader in self.addresses:
                        return leader
        raise LabError(f"no server leads the stream {part_of_name}; see {self.lab.dir}/nats-*.log")
