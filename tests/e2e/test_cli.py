# SPDX-License-Identifier: Apache-2.0
"""The command line: answers for people and machines, mistakes that say the fix, and no secret anywhere."""

import json
import subprocess
import unittest

from anylab.fleet import ANYSWAN
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
