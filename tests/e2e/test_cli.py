# SPDX-License-Identifier: Apache-2.0
"""The command line: answers for people and machines, mistakes that say the fix, and no secret anywhere."""

import json
import subprocess
import unittest

from anylab.fleet import ANYSWAN
from anylab.lab import wait_for
from common import INNER, PSK, FleetTest


def anyswan(*words):
    return subprocess.run([str(ANYSWAN), *map(str, words)], text=True, capture_output=True)


class CommandLine(FleetTest):
    edges = ("ams",)

    @classmethod
    def set_up_fleet(cls):
        cls.net.add_customer("cust1", 1, "ams", [f"{INNER[1]}/32"])
        cls.apply(cls.tunnel(1))
        cls.wait_tunnels(1)
        cls.start_swan(1).initiate()

    def test_every_question_answers_people_and_machines(self):
        edge = self.net.edges["ams"]
        for words in (["tunnel", "list"], ["tunnel", "show", "acme/cust1"], ["sa", "list"], ["fleet", "status"],
                      ["counters"]):
            self.assertTrue(edge.cli(*words).strip(), words)
            json.loads(edge.cli(*words, "--json"))
        self.assertIn("acme/cust1", edge.cli("sa", "list"))
        self.assertIn("ams", edge.cli("fleet", "status"))

    def test_no_secret_is_shown_anywhere(self):
        edge, lab = self.net.edges["ams"], self.net.lab
        key = next(line for line in (lab.dir / "fleet.key").read_text().splitlines() if line.startswith("1 =")).split('"')[1]
        shown = [edge.log(), edge.cli("tunnel", "show", "acme/cust1"), edge.cli("tunnel", "show", "acme/cust1", "--json"),
                 edge.cli("sa", "list", "--json"), edge.cli("tunnel", "list", "--json")]
        stored = b"".join(p.read_bytes() for p in (lab.dir / "nats").rglob("*") if p.is_file())
        for text in shown:
            self.assertNotIn(PSK, text)
            self.assertNotIn(key, text)
        self.assertGreater(len(stored), 0)
        self.assertNotIn(PSK.encode(), stored)

    def test_what_makes_no_sense_is_refused_in_words(self):
        socket = str(self.net.edges["ams"].socket).encode()
        for words, said in (([b"redirect", b"\xff"], "not UTF-8"), ([b"redirect", b"--tunnel", b"\xff", b"gw.example"], "not UTF-8"),
                            ([b"tunnel", b"show", b"\xff"], "tunnel"), ([b"sa", b"rekey", b"\xff"], "SPI"),
                            ([b"sa", b"delete", b"0"], "SPI"), ([b"nonsense"], "--help")):
            done = subprocess.run([ANYSWAN, *words, b"--api", socket], capture_output=True, timeout=20)
            text = (done.stdout + done.stderr).decode(errors="replace")
            self.assertGreater(done.returncode, 0, text)  # below zero: a signal ended it
            self.assertIn(said, text)

    def test_trace_reads_a_live_exchange_and_a_capture(self):
        edge, swan, lab = self.net.edges["ams"], self.swans["cust1"], self.net.lab
        capture = lab.dir / "ike.pcap"
        lab.start("ams", "tcpdump", ["tcpdump", "-U", "-i", "any", "-w", capture, "udp port 500 or udp port 4500"])
        wait_for("tcpdump to listen", lambda: "listening" in lab.log("tcpdump"))
        watching = subprocess.Popen([str(ANYSWAN), "trace", "--count", "2", "--api", str(edge.socket)], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.assertIn("watching", watching.stderr.readline())
            swan.swanctl("--rekey", "--child", "net")
            live, _ = watching.communicate(timeout=20)
        finally:
            watching.kill()
        request, response = live.split("CREATE_CHILD_SA request")[1].split("CREATE_CHILD_SA response")
        for text in (request, response):
            self.assertIn("tunnel acme/cust1", text)
            self.assertIn("TSi", text)
        self.assertIn("REKEY_SA", request)
        wait_for("the capture to hold the rekey", lambda: "INFORMATIONAL response" in edge.cli("trace", capture))
        lab.end("tcpdump")
        text = edge.cli("trace", capture)
        self.assertIn("REKEY_SA", text)
        self.assertIn("D       ESP", text)
        self.assertNotIn("no keys", text)
        blind = anyswan("trace", capture, "--api", self.net.lab.dir / "nobody.sock")
        self.assertIn("what is encrypted stays closed", blind.stderr)
        self.assertIn("CREATE_CHILD_SA request", blind.stdout)
        self.assertNotIn("REKEY_SA", blind.stdout)
        self.assertEqual(edge.cli("trace", capture, "--peer", "203.0.113.99"), "")

    def test_a_tunnel_that_is_not_there(self):
        done = self.net.edges["ams"].cli("tunnel", "show", "acme/nobody", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("anyswan tunnel list", done.stderr)

    def test_no_daemon_on_the_socket(self):
        done = anyswan("sa", "list", "--api", self.net.lab.dir / "nobody.sock")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is it running", done.stderr)

    def test_mistakes_in_files_name_line_and_fix(self):
        path = self.net.lab.dir / "bad.toml"
        path.write_text('[[tunnel]]\nid = "Acme"\nlocal_id = "a"\nremote_id = "b"\npsk = "123456789"\n'
                        'local_prefixes = ["10.0.0.1/8"]\nremote_prefixes = []\nike = ["des-md5"]\n')
        done = anyswan("config", "check", path)
        self.assertEqual(done.returncode, 2)
        for words in (":2: tunnel[1].id", ":6: tunnel[1].local_prefixes", "host bits zero", ":8: tunnel[1].ike"):
            self.assertIn(words, done.stderr)
        self.assertNotIn("123456789", done.stderr)
        self.assertFalse(json.loads(anyswan("config", "check", path, "--json").stdout)["ok"])
        self.assertEqual(self.net.edges["ams"].cli("apply", "-f", path, check=False).returncode, 2)

    def test_wrong_words_and_help(self):
        self.assertEqual(anyswan("nonsense").returncode, 2)
        self.assertEqual(anyswan("sa").returncode, 2)
        self.assertIn("First steps", anyswan("--help").stdout)
        self.assertIn("complete -F _anyswan anyswan", anyswan("completion", "bash").stdout)

    def test_a_second_daemon_on_one_socket_is_refused(self):
        done = subprocess.run(["ip", "netns", "exec", self.net.lab.ns("ams"), str(ANYSWAN), "edge", "-c",
                               str(self.net.edges["ams"].config)], text=True, capture_output=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use", done.stderr)


if __name__ == "__main__":
    unittest.main()
