# SPDX-License-Identifier: Apache-2.0
"""An attacker on the path: records ESP on its way to the anycast address and sends it again to every edge.

As a program, inside the namespace of `inet`:  replay.py DEVICE SECONDS DELAY_S FILE TARGET...
records what comes in on DEVICE, sends each packet again DELAY_S later to every TARGET (device=mac), and writes
how many it recorded, with the packets, to FILE. DELAY_S below 0: records only. DEVICE "-": sends FILE's packets.
"""

import collections
import json
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

ETH_P_IP = 0x0800
ESP, UDP, NATT_PORT = 50, 17, 4500


class Attacker:
    def __init__(self, net):
        self.net, self.file = net, net.lab.dir / "recorded.json"

    def _words(self, device, seconds, delay_s):
        targets = []
        for edge in self.net.names:
            mac = self.net.lab.run(edge, "cat", "/sys/class/net/to-inet/address").strip()
            targets.append(f"to-{edge}={mac}")
        return ["ip", "netns", "exec", self.net.lab.ns("inet"), sys.executable, __file__, device, str(seconds),
                str(delay_s), str(self.file), *targets]

    def start(self, customer, seconds, delay_s):
        """Records for `seconds`, and repeats `delay_s` after each packet; finish() returns how many."""
        self.process = subprocess.Popen(self._words(f"to-{customer}", seconds, delay_s))

    def finish(self):
        if self.process.wait(timeout=60) != 0:
            raise RuntimeError("the attacker failed")
        return len(json.loads(self.file.read_text()))

    def send_again(self):
        """What was recorded last, to every edge."""
        subprocess.run(self._words("-", 0, 0), check=True, timeout=60)


def is_esp(packet):
    """Plain, or in UDP: there IKE begins with four zero octets, a keepalive is one octet (RFC 3948)."""
    udp = packet[(packet[0] & 15) * 4:]
    return packet[9] == ESP or (packet[9] == UDP and int.from_bytes(udp[2:4], "big") == NATT_PORT and len(udp) > 16
                                and udp[8:12] != bytes(4))


def without_checksum(packet):
    """A veth leaves the UDP checksum to a device that isn't there; none is as good (RFC 3948 2.1)."""
    at = (packet[0] & 15) * 4 + 6
    return packet[:at] + bytes(2) + packet[at + 2:] if packet[9] == UDP else packet


def send(packet, targets, sender):
    for device, mac in targets:
        sender.sendto(packet, (device, ETH_P_IP, 0, 0, mac))


def record(device, seconds, delay_s, targets, sender):
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    listener.bind((device, ETH_P_IP))
    recorded, due = [], collections.deque()
    end = time.monotonic() + seconds
    while due or time.monotonic() < end:
        now = time.monotonic()
        while due and due[0][0] <= now:
            send(due.popleft()[1], targets, sender)
        wait = min(0.05, max(0.0, due[0][0] - now)) if due else 0.05
        if not select.select([listener], [], [], wait)[0]:
            continue
        packet, address = listener.recvfrom(65535)
        if address[2] == socket.PACKET_OUTGOING or not is_esp(packet) or time.monotonic() >= end:
            continue
        packet = without_checksum(packet)
        recorded.append(packet.hex())
        if delay_s >= 0:
            due.append((time.monotonic() + delay_s, packet))
    return recorded


def main():
    device, seconds, delay_s, path = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
    targets = [(word.split("=")[0], bytes.fromhex(word.split("=")[1].replace(":", ""))) for word in sys.argv[5:]]
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    if device == "-":
        for text in json.loads(path.read_text()):
            send(bytes.fromhex(text), targets, sender)
        return
    path.write_text(json.dumps(record(device, seconds, delay_s, targets, sender)))


if __name__ == "__main__":
    main()
