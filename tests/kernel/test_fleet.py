# SPDX-License-Identifier: Apache-2.0
"""A fleet whose edges use the kernel's ESP, one of them our own, with routers that use the kernel's: in a guest.

ams and sin run the kernel dataplane, sfo userspace ESP: they serve the same tunnels. cust1 is strongSwan, cust2 strongSwan
behind a NAT, cust3 Libreswan. KERNEL_ROUNDS: how often each side rekeys, and how many moves are made."""

import os
import signal
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "labs")]

from anylab.lab import LabError, wait_for  # noqa: E402
from anylab.peers.base import Child, Credential, Setup  # noqa: E402
from anylab.peers.libreswan import LibreswanPeer  # noqa: E402
from anylab.peers.strongswan import StrongSwanKernel  # noqa: E402
from anylab.ping import Ping, ping_once  # noqa: E402
from anylab.topology import ANYCAST, ANYCAST6  # noqa: E402
from common import PSK, FleetTest  # noqa: E402

ROUNDS = int(os.environ.get("KERNEL_ROUNDS", "1"))
CUSTOMERS = (1, 2, 3)
KERNEL, USERSPACE = '[dataplane]\ntype = "auto"', '[dataplane]\ntype = "userspace"'
IKE, ESP = "aes256gcm16-prfsha256-x25519", "aes256gcm16-esn"


def inner(number):
    return f"10.{number}.0.1"


class Swan(StrongSwanKernel):
    listen_timeout_s = 240  # the guest's processor is emulated

    def __init__(self, lab, host):
        self.name = host
        super().__init__(lab, host)


class KernelFleet(FleetTest):
    edges = ("ams", "sin", "sfo")
    lab_name = "anyswan-kernel"
    start_timeout_s = 90

    @classmethod
    def make_edge(cls, name):
        net = cls.net
        edge = net.make_edge(name, USERSPACE if name == "sfo" else KERNEL)
        if name == "ams":
            # As under systemd, which keeps its sockets while it is away; its addresses are a BGP daemon's business.
            cls.ams_pid = net.lab.dir / "ams.pid-of-daemon"
            edge.runner = (sys.executable, ROOT / "labs/anylab/keeper.py", cls.ams_pid)
            edge.config.write_text(edge.config.read_text().replace("[edge]", "[edge]\nannounce = false"))
            for address in (ANYCAST + "/32", ANYCAST6 + "/128"):
                net.lab.ip(name, "addr", "add", address, "dev", "lo")
        return edge

    @classmethod
    def set_up_fleet(cls):
        net = cls.net
        for why in (Swan.missing(), LibreswanPeer.missing()):
            if why is not None:
                raise LabError(why)
        cls.routers = {1: Swan(net.lab, "cust1"), 2: Swan(net.lab, "cust2"), 3: LibreswanPeer(net.lab, "cust3")}
        for number in CUSTOMERS:
            net.add_customer(f"cust{number}", number, "ams", [f"{inner(number)}/32"], nat=number == 2)
        cls.apply("".join(cls.tunnel(number) for number in CUSTOMERS))
        cls.wait_tunnels(len(CUSTOMERS))
        for number, router in cls.routers.items():
            psk = Credential("psk", PSK)
            router.start(Setup(
                initiates=True, local=net.customers[f"cust{number}"]["address"], remote=ANYCAST,
                local_id=f"cust{number}.example", remote_id="anycast.example", local_auth=psk, remote_auth=psk, ike=(IKE,),
                esp=(ESP,), children=(Child("net", (f"10.{number}.0.0/24",), ("10.0.0.0/8",)),)))
            router.initiate()
        cls.wait_everywhere()

    @classmethod
    def tunnel(cls, number, more=""):
        # tests/e2e has the edges that make Child SAs of their own; here each tunnel has one.
        return super().tunnel(number, f'esp = ["{ESP}"]\nsender_rule = "pinned"\n{more}')

    @classmethod
    def wait_everywhere(cls):
        """Every edge has one SA of each tunnel in force."""
        def settled():
            lists = [[sa for sa in edge.child_sas() if sa["state"] == "applied"] for edge in cls.net.edges.values()]
            return all(sorted(sa["tunnel"] for sa in sas) == [f"acme/cust{n}" for n in CUSTOMERS] for sas in lists)
        wait_for("one SA of each tunnel on every edge", settled, 60, 0.2)

    def ping(self, number=1, to=2, interval_s=0.05):
        return Ping(self.net.lab, f"cust{number}", inner(number), inner(to), interval_s)

    def judge(self, pings, lost_max, what):
        figures = {name: ping.finish() for name, ping in pings.items()}
        print(f"     {what}: " + "; ".join(f"{name}: {sent} sent, {lost} lost" for name, (sent, lost) in figures.items()),
              flush=True)
        for name, (sent, lost) in figures.items():
            self.assertGreater(sent, 10, f"{what}, {name}")
            self.assertLessEqual(lost, lost_max, f"{what}, {name}")

    @classmethod
    def _kept_logs(cls):
        return "KERNEL_KEEP_LOGS" in os.environ

    def rings(self):
        """Pings around all three, so that every tunnel is used in both directions. All must be routed to one edge: with
        sender rule pinned only one edge at a time sends on a tunnel."""
        return {f"cust{a} to cust{b}": self.ping(a, b) for a, b in ((1, 2), (2, 3), (3, 1))}

    def warm(self, *edges):
        for number, edge in zip(CUSTOMERS, edges):
            self.net.route(f"cust{number}", edge)
        for a, b in ((1, 2), (2, 3), (3, 1)):
            wait_for(f"a ping from cust{a} to cust{b}",
                     lambda: ping_once(self.net.lab, f"cust{a}", inner(a), inner(b), timeout_s=2), timeout_s=60)

    def test_1_the_kernel_carries_it(self):
        self.assertIn("kernel ESP (XFRM)", self.net.edges["ams"].log())
        self.assertIn("userspace ESP", self.net.edges["sfo"].log())
        self.warm("ams", "ams", "ams")
        states = self.net.lab.run("ams", "ip", "-s", "xfrm", "state")
        self.assertEqual(states.count("proto esp"), 2 * len(CUSTOMERS))
        self.assertIn("espinudp", states, "cust2 is behind a NAT")
        packets = self.net.edges["ams"].ask("counters")
        self.assertGreater(packets["kernel_XfrmInNoStates"] + packets["netlink_requests"], 0)
        self.assertNotIn("error", self.net.edges["ams"].log())

    def test_2_moves_between_kernel_and_userspace_edges(self):
        self.warm("ams", "ams", "ams")
        for move in range(3 * ROUNDS):
            number, edge = CUSTOMERS[move % 3], self.edges[(move // 3 + 1) % 3]
            if self.move(number, edge) > 1:
                # Packets wait a second for sequence numbers, which an emulated processor may miss when the host is busy.
                self.move(number, self.edges[(move // 3) % 3])
                self.assertLessEqual(self.move(number, edge), 1, f"cust{number} to {edge}, the second time")
        for number in (1, 2):
            self.assertEqual(self.routers[number].established_count(), 1)

    def move(self, number, edge):
        """Moves a router's traffic to an edge; returns how many packets it lost."""
        ping = self.ping(number, number % 3 + 1)
        time.sleep(0.7)
        self.net.route(f"cust{number}", edge)
        time.sleep(1.0)
        sent, lost = ping.finish()
        print(f"     cust{number} moves to {edge}: {sent} sent, {lost} lost", flush=True)
        self.assertGreater(sent, 10)
        return lost

    def rekey_all(self, by_us):
        """One rekey of each tunnel's Child SA; returns when every edge has the new ones alone."""
        before = {sa["inbound_spi"]: sa["tunnel"] for sa in self.net.edges["ams"].child_sas()}
        self.assertEqual(sorted(before.values()), [f"acme/cust{n}" for n in CUSTOMERS])
        if by_us:
            for spi in before:
                self.net.edges["ams"].cli("sa", "rekey", spi)
        else:
            for router in self.routers.values():
                router.rekey_child()

        def done():
            lists = [{sa["inbound_spi"] for sa in edge.child_sas()} for edge in self.net.edges.values()]
            return all(len(spis) == len(CUSTOMERS) and not spis & set(before) for spis in lists)
        wait_for(f"a rekey of each tunnel by {'us' if by_us else 'the routers'}", done, 60, 0.3)

    def test_3_rekeys_under_traffic_lose_nothing(self):
        # At sin the routers' IKE is relayed to ams, so their packets on a new SA may come before its record: they wait there.
        for edge in ("ams", "sin"):
            self.warm(edge, edge, edge)
            before = self.dropped()
            pings = self.rings()
            for _ in range(ROUNDS):
                self.rekey_all(by_us=True)
                self.rekey_all(by_us=False)
            counters = self.net.edges[edge].ask("counters")
            after = self.dropped()
            dropped = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
            print(f"     {edge}: {counters['held_unknown_spi']} packets waited for their SA, {counters['returned_unknown_spi']} came in again; "
                  f"kernels counted {dropped or 'no drops'}", flush=True)
            self.judge(pings, 0, f"{2 * ROUNDS} rekeys of each tunnel at {edge}")

    def dropped(self):
        """What the kernels of edges and routers counted as dropped (a packet that waits for its SA at an edge is among them)."""
        counts = {}
        for host in ("ams", "sin", *(f"cust{number}" for number in CUSTOMERS)):
            for line in self.net.lab.run(host, "cat", "/proc/net/xfrm_stat").splitlines():
                name, count = line.split()
                counts[f"{name} at {host}"] = int(count)
        return counts

    def test_4_a_daemon_restarts_under_traffic(self):
        self.warm("ams", "ams", "ams")
        ams = self.net.edges["ams"]
        self.assertIn("the service manager keeps the UDP sockets", ams.log())
        for number in (signal.SIGKILL, signal.SIGTERM):
            pings = self.rings()
            time.sleep(0.7)
            pid = self.ams_pid.read_text()
            os.kill(int(pid), number)
            wait_for("ams to be back", lambda: self.ams_pid.read_text() != pid and ams.ready(), 90, 0.1)
            time.sleep(3)
            self.judge(pings, 0, f"restart of ams after {number.name}")
            counters = ams.ask("counters")
            self.assertEqual(counters["adopted_sas"], len(CUSTOMERS))
            self.assertEqual(counters.get("netlink_errors", 0), 0)

    def test_5_the_negotiating_edge_dies(self):
        self.warm("ams", "ams", "ams")
        ping = {"cust1 to cust3": self.ping(1, 3)}
        self.net.edges["ams"].stop(signal.SIGKILL)
        os.kill(int(self.ams_pid.read_text()), signal.SIGKILL)  # its kernel goes on until the machine is gone
        time.sleep(1)
        for number in (1, 3):
            self.net.route(f"cust{number}", "sin")
        self.net.lab.run("ams", "ip", "link", "set", "to-inet", "down")
        time.sleep(2)
        self.judge(ping, 2, "ams dies, both go on at sin")


if __name__ == "__main__":
    unittest.main()
