# SPDX-License-Identifier: Apache-2.0
"""OpenIKED's iked, with the kernel's ESP over PF_KEY. It does everything by itself: nothing is rekeyed on demand."""

import re
import shutil
import subprocess

from ..lab import Lab, LabError, wait_for
from .base import IkeState, Peer, Status, Unable
from .xfrm import kernel_children

# iked reads its certificates and keys from /etc/iked: a folder of the lab stands there in its mount namespace.
ENTER = 'mount --bind "$0" /etc/iked && exec "$@"'

ENCR = {"null": "null", "aes128gcm16": "aes-128-gcm", "aes256gcm16": "aes-256-gcm", "chacha20poly1305": "chacha20-poly1305",
        "aes128": "aes-128", "aes192": "aes-192", "aes256": "aes-256"}
HASH = {"sha1": "hmac-sha1", "sha256": "hmac-sha2-256", "sha384": "hmac-sha2-384", "sha512": "hmac-sha2-512"}
GROUP = {"x25519": "curve25519"}
LIFETIME_S = 4


def ike_transforms(suite):
    words = suite.split("-")
    encr = next(word for word in words if word in ENCR)
    hashes = [word.removeprefix("prf") for word in words if word.startswith(("prf", "sha"))]
    integ = "" if "gcm" in encr or "chacha" in encr else f" auth {HASH[hashes[0]]}"
    return f"ikesa enc {ENCR[encr]}{integ} prf {HASH[hashes[-1]]} group {GROUP.get(words[-1], words[-1])}"


def esp_transforms(suite):
    words = suite.split("-")
    encr = next(word for word in words if word in ENCR)
    integ = [word for word in words if word in HASH]
    groups = [word for word in words if word.startswith(("ecp", "modp", "x25519"))]
    return (f"childsa enc {ENCR[encr]}" + (f" auth {HASH[integ[0]]}" if integ else "")
            + "".join(f" group {GROUP.get(word, word)}" for word in groups) + (" esn" if "esn" in words else " noesn"))


class OpenIkedPeer(Peer):
    name = "openiked"
    title = "OpenIKED 7.2"
    dataplane = "kernel"
    needs_guest = True
    esp_default = "aes256-sha512"
    cannot = {
        "virtual": "is configured in another way for virtual addresses, which this adapter does not write",
        "mlkem": "has no ML-KEM",
        "esn": "its Linux port offers no extended sequence numbers",
        "esp-null": "its Linux port can't give the kernel an SA without encryption (PF_KEY: invalid argument)",
        "esp-chacha20poly1305": "its Linux port has no ChaCha20-Poly1305 for ESP",
        "esp-aes128gcm16": "its Linux port has no GCM for ESP",
        "esp-aes256gcm16": "its Linux port has no GCM for ESP",
        "esp-sha256": "its Linux port has no HMAC-SHA2-256 for ESP",
        "chacha20poly1305": "has no ChaCha20-Poly1305 for IKE",
        "auth-ed25519": "has no Ed25519",
        "psk-and-certificate": "authenticates both sides in the same way",
        "mobike": "its Linux port can't give the kernel's SAs another address (PF_KEY: invalid argument)",
        "auth-rsa-pss": "signs with RSA PKCS#1 v1.5",
        "ppk": "has no PPK",
        "redirect": "has no REDIRECT",
        "childless": "has no childless IKE SAs",
        "children": "makes one Child SA for a policy",
        "cookie-by-peer": "asks for a COOKIE only under load",
        "on-demand": "rekeys by lifetime alone",
        "other-version-inside": "gives its kernel SAs whose selector has the outer IP version, so no other is carried",
        "reauth": "has no re-authentication on demand",
        "encap": "has no forced encapsulation",
        "dpd": "its liveness checks come after a minute of silence, which can't be set",
        "force-fragments": "chooses the size of its fragments itself",
    }
    brief = ("ke-x25519", "path-nat")

    @classmethod
    def missing(cls):
        return None if shutil.which("iked") else "iked is missing; tools/setup packages installs it"

    @classmethod
    def version(cls):
        return subprocess.run(["iked", "-V"], text=True, capture_output=True).stderr.strip() or "OpenIKED"

    def start(self, setup):
        self.dir = self.lab.dir / "iked"
        for folder in ("run", "etc/ca", "etc/crls", "etc/certs", "etc/private", "etc/pubkeys"):
            (self.dir / folder).mkdir(parents=True, exist_ok=True)
        self.setup = setup
        self._credentials(setup)
        config = self.dir / "iked.conf"
        config.write_text(self._config(setup))
        config.chmod(0o600)
        self.socket = self.dir / "control"
        self.lab.start(self.host, "iked", ["sh", "-c", ENTER, self.dir / "etc", "iked", "-dvv", "-s", self.socket, "-f", config],
                       private_run=self.dir / "run")
        # Before that it is slow to answer, and a retransmitted IKE_SA_INIT request makes it give the IKE SA up.
        wait_for(f"iked to be ready; see {self.lab.dir}/iked.log", self._ready, 20)

    def _ready(self):
        log = self.log()
        if "parent terminating" in log or "syntax error" in log:
            raise LabError(f"iked doesn't start: {' / '.join(log.strip().splitlines()[-3:])}")
        return "updated local CERTREQ" in log

    def _config(self, setup):
        child = setup.children[0]
        flows = " ".join(f"from {own} to {other}" for own, other in zip(child.local_ts, child.remote_ts))
        family = "inet6" if ":" in setup.local else "inet"
        local, remote = setup.local_auth, setup.remote_auth
        auth = f'psk "{local.psk}"' if local.kind == "psk" else {"rsa": "rsa"}.get(local.kind[:3], local.kind)
        if local.kind.startswith("ecdsa") or local.kind != remote.kind:
            auth = "rfc7427" if local.kind != "psk" else auth
        lifetimes = (f" ikelifetime {LIFETIME_S if setup.rekeys == 'ike' else 0} "
                     f"lifetime {LIFETIME_S if setup.rekeys == 'child' else 3600}")
        options = [f"set {'' if setup.mobike else 'no'}mobike", "set nofragmentation" if setup.fragment == "no" else
                   "set fragmentation"]
        policy = (f'ikev2 "net" {"active" if setup.initiates else "passive"} tunnel esp {family} {flows} '
                  f"local {setup.local} peer {setup.remote} {' '.join(map(ike_transforms, setup.ike))} "
                  f"{' '.join(map(esp_transforms, setup.esp))} "
                  f"srcid {setup.local_id} dstid {setup.remote_id}{lifetimes} {auth}")
        return "\n".join([*options, policy, ""])

    def _credentials(self, setup):
        for number, auth in enumerate((setup.local_auth, setup.remote_auth)):
            if auth.kind != "psk":
                shutil.copy(auth.ca, self.dir / f"etc/ca/ca{number}.crt")
        own, key = setup.local_auth, self.dir / "etc/private/local.key"
        if own.kind == "psk":  # iked doesn't start without a key
            Lab.sh("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        else:
            shutil.copy(own.certificate, self.dir / f"etc/certs/{setup.local_id}.crt")
            shutil.copy(own.key, key)
        key.chmod(0o600)

    def _control(self, *words):
        done = subprocess.run(["ip", "netns", "exec", self.lab.ns(self.host), "ikectl", "-s", str(self.socket), *words],
                              text=True, capture_output=True, timeout=20)
        return done.stdout + done.stderr

    def stop(self):
        self.lab.end("iked", timeout_s=5.0)
        for what in ("state", "policy"):
            self.lab.run(self.host, "ip", "xfrm", what, "flush", check=False)
        (self.lab.dir / "iked.log").unlink(missing_ok=True)
        shutil.rmtree(self.lab.dir / "iked", ignore_errors=True)

    def freeze(self):
        self.lab.send_signal("iked", "STOP")

    def initiate(self, child=None):
        wait_for("iked to bring its tunnel up", lambda: self.status().children, 20)

    def rekey_child(self):
        """It comes by itself (Setup.rekeys)."""

    rekey_ike = rekey_child

    def delete_child(self):
        raise Unable("deletes no single Child SA on demand")

    def delete_ike(self):
        self._control("reset", "sa")

    def status(self):
        sas = re.findall(r"iked_sas: \S+ rspi 0x([0-9a-f]+) ispi 0x([0-9a-f]+) (\S+)->([^<\s]+)\S* .*ESTABLISHED",
                         self._control("show", "sa"))
        return Status(tuple(IkeState(initiator, responder, frozenset(), local, remote)
                            for responder, initiator, local, remote in sas),
                      kernel_children(self.lab, self.host))

    def log(self):
        return self.lab.log("iked")
