# SPDX-License-Identifier: Apache-2.0
"""Runs a program as systemd's `Restart=always` with a file descriptor store would: keeps the sockets that it hands over, and
gives them to its next life, a second after it has ended.

    python3 keeper.py PIDFILE CMD...        PIDFILE: the program's present pid
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ENTER = 'LISTEN_PID=$$ exec "$@"'
RESTART_AFTER_S = 1.0


class Keeper:
    def __init__(self, pid_file, command):
        self.pid_file, self.command = Path(pid_file), command
        self.kept, self.child, self.stopping = {}, None, False
        self.path = f"{pid_file}.notify"
        Path(self.path).unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def listen(self):
        while True:
            data, fds, _, _ = socket.recv_fds(self.socket, 4096, 8)
            words = dict(line.split("=", 1) for line in data.decode().splitlines())
            name = words.get("FDNAME", "stored")
            if words.get("FDSTORE") == "1" and fds:
                old, self.kept[name] = self.kept.get(name), fds[0]
            elif words.get("FDSTOREREMOVE") == "1":
                old = self.kept.pop(name, None)
            else:
                continue
            if old is not None:
                os.close(old)

    def start(self):
        names = list(self.kept)
        # First out of the way, then to 3 and up.
        copies = [os.dup(self.kept[name]) for name in names]
        high = 100
        for number, fd in enumerate(copies):
            os.dup2(fd, high + number)
        redirections = " ".join(f"{3 + n}<&{high + n} {high + n}<&-" for n in range(len(names)))
        env = {**os.environ, "NOTIFY_SOCKET": self.path, "LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
        self.child = subprocess.Popen(["bash", "-c", f"exec {redirections}; {ENTER}", "bash", *self.command], env=env,
                                      pass_fds=[high + n for n in range(len(names))])
        for number, fd in enumerate(copies):
            os.close(fd)
            os.close(high + number)
        self.pid_file.write_text(str(self.child.pid))

    def stop(self, number, frame):
        self.stopping = True
        self.child.terminate()

    def run(self):
        signal.signal(signal.SIGTERM, self.stop)
        threading.Thread(target=self.listen, daemon=True).start()
        while not self.stopping:
            self.start()
            self.child.wait()
            if not self.stopping:
                time.sleep(RESTART_AFTER_S)


if __name__ == "__main__":
    Keeper(sys.argv[1], sys.argv[2:]).run()
