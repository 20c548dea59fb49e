# SPDX-License-Identifier: Apache-2.0
"""Our own side: a NATS server, edges, branch connectors, and questions to their API."""

import json
import signal
import subprocess

from .lab import BUILD, LabError, wait_for

ANYSWAN = BUILD / "anyswan"


def make_fleet_key(lab):
    path = lab.dir / "fleet.key"
    path.write_text(lab.sh(ANYSWAN, "keygen"))
    path.chmod(0o600)
    return path


class Nats:
    def __init__(self, lab, host, address, server="nats-server"):
        self.lab, self.host, self.address, self.server = lab, host, address, server
        self.urls = [f"nats://{address}:4222"]
        self.replicas = 1

    def start(self):
        config = self.lab.dir / "nats.conf"
        config.write_text(f'listen: {self.address}:4222\nserver_name: hub\njetstream {{ store_dir: "{self.lab.dir}/nats" }}\n')
        self.lab.start(self.host, "nats", [self.server, "-c", config])
        wait_for(f"nats-server to be ready; see {self.lab.dir}/nats.log",
                 lambda: "Server is ready" in self.lab.log("nats"))

    def stop(self, sig=signal.SIGTERM):
        self.lab.end("nats", sig)
        (self.lab.dir / "nats.log").unlink(missing_ok=True)


class Daemon:
    """An edge or a branch connector."""

    def __init__(self, lab, host, command, config_text):
        self.lab, self.host, self.command = lab, host, command
        self.socket = lab.dir / f"{host}.sock"
        self.config = lab.dir / f"{host}.toml"
        self.config.write_text(config_text.replace("@API@", str(self.socket)))
        self.runner = ()  # words before the daemon's own

    def start(self, wait=True):
        self.lab.start(self.host, f"anyswan-{self.host}", [*self.runner, ANYSWAN, self.command, "-c", self.config])
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout_s=20):
        wait_for(f"{self.host} to be in step; see {self.lab.dir}/anyswan-{self.host}.log", self.ready, timeout_s)

    def ready(self):
        state = self.ask("edge")
        return state is not None and state["serving"]

    def stop(self, sig=signal.SIGTERM):
        self.lab.end(f"anyswan-{self.host}", sig)

    def cli(self, *words, check=True):
        done = subprocess.run([str(ANYSWAN), *map(str, words), "--api", str(self.socket)], text=True, capture_output=True)
        if check and done.returncode != 0:
            raise LabError(f"anyswan {' '.join(map(str, words))}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout if check else done

    def ask(self, what):
        """What the API says, or None while nobody answers."""
        words = {"edge": None, "sas": ["sa", "list"], "fleet": ["fleet", "status"], "tunnels": ["tunnel", "list"],
                 "counters": ["counters"]}[what]
        if words is None:
            done = subprocess.run(["curl", "-s", "--max-time", "3", "--unix-socket", str(self.socket),
                                   "http://edge/v1/edge"], text=True, capture_output=True)
        else:
            done = self.cli(*words, "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def child_sas(self, tunnel=None):
        sas = self.ask("sas")
        return [sa for sa in (sas or {}).get("child_sas", []) if tunnel is None or sa["tunnel"] == tunnel]

    def log(self):
        return self.lab.log(f"anyswan-{self.host}")


class Edge(Daemon):
    def __init__(self, lab, host, number, address, anycast, store, key_path, extra=""):
        anycast_list = ", ".join(f'"{a}"' for a in anycast)
        super().__init__(lab, host, "edge", f"""
[edge]
name = "{host}"
id = {number}
site = "{host}"
address = "{address}"
anycast = [{anycast_list}]
fleet_key_file = "{key_path}"
api = "@API@"
log = "debug"

[store]
{store}

{extra}
""")


class Peer(Daemon):
    """A branch connector (`anyswan peer`)."""

    def __init__(self, lab, host, address, remote, tunnel, extra="", remote_port=500):
        super().__init__(lab, host, "peer", f"""
[peer]
name = "{host}"
address = "{address}"
remote = "{remote}"
remote_port = {remote_port}
api = "@API@"
log = "debug"

{extra}

{tunnel}
""")


def nats_store(nats, fleet="lab"):
    urls = ", ".join(f'"{url}"' for url in nats.urls)
    return f'type = "nats"\nurls = [{urls}]\nfleet = "{fleet}"\nreplicas = {nats.replicas}'


def tunnel_toml(tunnel_id, *, local_id, remote_id, psk, local_prefixes, remote_prefixes, more=""):
    """A [[tunnel]]; `psk` None: by certificate, as `more` says."""
    def quoted(items):
        return ", ".join(f'"{item}"' for item in items)
    return f"""
[[tunnel]]
id = "{tunnel_id}"
local_id = "{local_id}"
remote_id = "{remote_id}"
{f'psk = "{psk}"' if psk else ""}
local_prefixes = [{quoted(local_prefixes)}]
remote_prefixes = [{quoted(remote_prefixes)}]
{more}
"""
