# SPDX-License-Identifier: Apache-2.0
"""Libreswan's pluto, unpacked beside strongSwan (labs/peers/get-libreswan), with the kernel's ESP."""

import re
import shutil
import subprocess
from pathlib import Path

from ..lab import Lab, LabError, wait_for
from .base import IkeState, Peer, Status
from .xfrm import kernel_children

UNPACKED = Path("/var/cache/anyswan-lab/libreswan")
TOOLS = UNPACKED / "usr/libexec/ipsec"

# pluto has the path of its helpers compiled in.
ENTER = 'mount --bind "$0" /usr/libexec && exec "$@"'

ENCR = {"null": "null", "aes128gcm16": "aes_gcm128", "aes192gcm16": "aes_gcm192", "aes256gcm16": "aes_gcm256",
        "chacha20poly1305": "chacha20_poly1305", "aes128": "aes128", "aes192": "aes192", "aes256": "aes256"}
HASH = {"sha1": "sha1", "sha256": "sha2_256", "sha384": "sha2_384", "sha512": "sha2_512"}
KE = {"modp1536": "dh5", "modp2048": "dh14", "modp3072": "dh15", "modp4096": "dh16", "modp6144": "dh17",
      "modp8192": "dh18", "ecp256": "dh19", "ecp384": "dh20", "ecp521": "dh21", "x25519": "dh31"}
STATUS = {"AES_GCM_16_128": "aes128gcm16", "AES_GCM_16_256": "aes256gcm16", "CHACHA20_POLY1305": "chacha20poly1305",
          "AES_CBC_128": "aes128", "AES_CBC_256": "aes256", "HMAC_SHA1": "sha1", "HMAC_SHA2_256": "sha256",
          "HMAC_SHA2_384": "sha384", "HMAC_SHA2_512": "sha512", "MODP1536": "modp1536", "MODP2048": "modp2048",
          "MODP3072": "modp3072", "MODP4096": "modp4096", "DH19": "ecp256", "DH20": "ecp384", "DH21": "ecp521",
          "DH31": "x25519"}
AUTHBY = {"psk": "secret", "rsa-pss": "rsa-sha2_256", "ecdsa256": "ecdsa-sha2_256", "ecdsa384": "ecdsa-sha2_384",
          "ecdsa521": "ecdsa-sha2_512"}


def proposal(suite):
    """Our words in Libreswan's, in its order: cipher, hash, group."""
    words = suite.split("-")
    parts = [ENCR[word] for word in words if word in ENCR]
    hashes = [word.removeprefix("prf") for word in words if word.startswith(("prf", "sha"))]
    parts += [HASH[word] for word in dict.fromkeys(hashes)]
    return ";".join(["-".join(parts), *(KE[word] for word in words if word in KE)])


class LibreswanPeer(Peer):
    name = "libreswan"
    title = "Libreswan 4.10"
    dataplane = "kernel"
    needs_guest = True
    cannot = {
        "virtual": "is configured in another way for virtual addresses, which this adapter does not write",
        "mlkem": "has no ML-KEM",
        "auth-ed25519": "has no Ed25519",
        "auth-rsa-pkcs1": "signs with RSA-PSS, or PKCS#1 v1.5 and SHA-1",
        "two-selectors": "makes a Child SA of its own for each pair of prefixes",
        "cookie-by-peer": "asks for a COOKIE only under load",
        "reauth": "has no re-authentication on demand",
        "childless": "has no childless IKE SAs",
        "redirect": "is configured for one IP version outside, and the row sends it to the other",
        "force-fragments": "chooses the size of its fragments itself",
    }
    needs_of_us = {"path-mobike-peer": ("mobike_check = false",)}  # its answers as initiator have no COOKIE2
    brief = ("ke-x25519", "path-nat")  # rekeys in kernels: tests/kernel

    @classmethod
    def missing(cls):
        if not (TOOLS / "pluto").exists():
            return "it is missing; labs/peers/get-libreswan unpacks it"
        return None

    @classmethod
    def version(cls):
        return " ".join(Lab.sh(TOOLS / "pluto", "--version").split()[:2])

    def start(self, setup):
        self.dir = self.lab.dir / "pluto"
        for folder in ("run/pluto", "nss"):
            (self.dir / folder).mkdir(parents=True, exist_ok=True)
        self.control = self.dir / "run/pluto/pluto.ctl"
        self.setup = setup
        Lab.sh("certutil", "-N", "-d", f"sql:{self.dir}/nss", "--empty-password")
        self._import(setup)
        (self.dir / "ipsec.conf").write_text(self._config(setup))
        secrets = self.dir / "ipsec.secrets"
        lines = []
        if "psk" in (setup.local_auth.kind, setup.remote_auth.kind):
            lines.append(f'@{setup.local_id} @{setup.remote_id} : PSK "{setup.local_auth.psk or setup.remote_auth.psk}"')
        if setup.ppk:
            lines.append(f'@{setup.local_id} @{setup.remote_id} : PPKS "{setup.ppk[0]}" "{setup.ppk[1]}"')
        secrets.write_text("\n".join(lines) + "\n")
        secrets.chmod(0o600)
        self.lab.start(self.host, "pluto", ["sh", "-c", ENTER, UNPACKED / "usr/libexec", "/usr/libexec/ipsec/pluto", "--nofork",
                                            "--stderrlog", "--config", self.dir / "ipsec.conf", "--secretsfile", secrets,
                                            "--nssdir", self.dir / "nss", "--rundir", "/run/pluto", "--use-xfrm"],
                       private_run=self.dir / "run")
        wait_for(f"pluto to listen; see {self.lab.dir}/pluto.log", lambda: self.control.exists() and
                 self._tool("whack", "--listen").returncode == 0, 30)
        self._add(setup.children[0].name)

    def _add(self, name):
        done = self._tool("addconn", "--config", self.dir / "ipsec.conf", name)
        if done.returncode != 0:
            raise LabError(f"addconn: {(done.stderr + done.stdout).strip()[-300:]}")

    def _config(self, setup):
        yes = {True: "yes", False: "no"}
        words = set("-".join(setup.esp).split("-"))
        auth = {setup.local_auth.kind, setup.remote_auth.kind}
        lines = ["ikev2=insist", f"left={'%defaultroute' if setup.mobike else setup.local}", f"leftid=@{setup.local_id}",
                 # "not responding with v2N_MOBIKE_SUPPORTED, that end is not %any"
                 f"right={'%any' if setup.mobike and not setup.initiates else setup.remote}", f"rightid=@{setup.remote_id}",
                 "ike=" + ",".join(dict.fromkeys(map(proposal, setup.ike))),
                 "esp=" + ",".join(dict.fromkeys(map(proposal, setup.esp))),
                 f"pfs={yes[bool(words & set(KE))]}", f"esn={yes['esn' in words]}",
                 f"encapsulation={'yes' if setup.encap else 'auto'}",
                 f"mobike={yes[setup.mobike]}", f"fragmentation={setup.fragment}", "leftupdown=%disabled",
                 "replay-window=128", "rekey=no", "auto=add"]
        if len(auth) == 1:
            lines.append("authby=" + AUTHBY[setup.local_auth.kind])
        else:
            lines += [f"{side}auth={'secret' if one.kind == 'psk' else one.kind.partition('-')[0].rstrip('0123456789')}"
                      + ("sig" if one.kind.startswith("rsa") else "")
                      for side, one in (("left", setup.local_auth), ("right", setup.remote_auth))]
        if setup.local_auth.kind != "psk":
            lines += ["leftcert=own", "leftsendcert=always"]
        if setup.remote_auth.kind != "psk":
            lines += ["rightca=%any"]
        if setup.ppk:
            lines.append("ppk=insist")
        if setup.dpd_s:
            lines += [f"dpddelay={setup.dpd_s}", "dpdtimeout=30", "dpdaction=clear"]
        text = "config setup\n\tlogfile=/dev/stderr\n\tdnssec-enable=no\n\tvirtual-private=\n"
        for child in setup.children:
            own = [f"leftsubnet={child.local_ts[0]}", f"rightsubnet={child.remote_ts[0]}"]
            text += f"\nconn {child.name}\n" + "".join(f"\t{line}\n" for line in own + lines)
        return text

    def _import(self, setup):
        database = f"sql:{self.dir}/nss"
        for number, auth in enumerate((setup.local_auth, setup.remote_auth)):
            if auth.kind != "psk":
                Lab.sh("certutil", "-A", "-d", database, "-n", f"ca{number}", "-t", "CT,C,C", "-i", auth.ca)
        own = setup.local_auth
        if own.kind != "psk":
            bundle = self.dir / "own.p12"
            Lab.sh("openssl", "pkcs12", "-export", "-in", own.certificate, "-inkey", own.key, "-name", "own",
                   "-passout", "pass:", "-out", bundle)
            Lab.sh("pk12util", "-i", bundle, "-d", database, "-W", "")

    def _tool(self, tool, *words, timeout=30):
        words = [TOOLS / tool, "--ctlsocket", self.control, *words]
        words = ["ip", "netns", "exec", self.lab.ns(self.host), *map(str, words)]
        try:
            return subprocess.run(words, text=True, capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"pluto didn't answer {tool} within {timeout} s") from None

    def stop(self):
        self.lab.end("pluto", timeout_s=5.0)
        for what in ("state", "policy"):
            self.lab.run(self.host, "ip", "xfrm", what, "flush", check=False)
        (self.lab.dir / "pluto.log").unlink(missing_ok=True)
        shutil.rmtree(self.lab.dir / "pluto", ignore_errors=True)

    def freeze(self):
        self.lab.send_signal("pluto", "STOP")

    def _must(self, *words, want):
        done = self._tool("whack", *words)
        if not re.search(want, done.stdout):
            lines = [line for line in done.stdout.splitlines() if not line.startswith(("18", "002"))]
            raise LabError(f"{self.title}: " + "; ".join(lines[-3:])[-300:])

    def initiate(self, child=None):
        if child and child != self.setup.children[0].name:
            self._add(child)  # not before: it narrows what it is offered to whichever it likes best
        self._must("--name", child or "net", "--initiate", want="established Child SA|Child SA.*established")

    def rekey_child(self):
        self._tool("whack", "--name", "net", "--rekey-ipsec", "--asynchronous")

    def rekey_ike(self):
        self._tool("whack", "--name", "net", "--rekey-ike", "--asynchronous")

    def delete_child(self):
        self._delete(r"STATE_V2_ESTABLISHED_CHILD_SA")

    def delete_ike(self):
        self._delete(r"STATE_V2_ESTABLISHED_IKE_SA")

    def _delete(self, state):
        found = re.findall(rf'#(\d+): "net\d?".*? {state}', self._tool("whack", "--status").stdout)
        if not found:
            raise LabError(f"pluto has nothing in {state}")
        self._tool("whack", "--deletestate", found[-1])

    def status(self):
        text = self._tool("whack", "--status").stdout
        # A conn for a peer from anywhere names where it is: #1: "net"[1] 100.64.1.2:4500 STATE_...
        states = re.findall(r'#\d+: "net\d?"(?:\[\d+\] )?(\S*) (STATE_\S+)', text)
        established = [remote for remote, state in states if state in ("STATE_V2_ESTABLISHED_IKE_SA", "STATE_PARENT_I3",
                                                                       "STATE_PARENT_R2")]
        newest = re.search(r'IKE algorithm newest: (\S+)', text)
        words = frozenset(self._ike_words(newest[1]) if newest else ())
        return Status(tuple(IkeState("", "", words, "", remote) for remote in established),
                      kernel_children(self.lab, self.host))

    @staticmethod
    def _ike_words(text):
        """"AES_GCM_16_256-HMAC_SHA2_256-DH31": cipher, PRF (and integrity), group."""
        parts = [STATUS.get(part, part) for part in text.split("-")]
        aead = parts[0].endswith("gcm16") or parts[0].startswith("chacha")
        return {parts[0], parts[-1], "prf" + parts[1]} | (set() if aead else {parts[1]})

    def log(self):
        return self.lab.log("pluto")
