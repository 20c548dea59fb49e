# SPDX-License-Identifier: Apache-2.0
"""A customer's router: strongSwan with userspace ESP (kernel-libipsec), configured through swanctl."""

import re
import shutil
import subprocess
from pathlib import Path

from .lab import LabError, wait_for

CHARON = "/usr/lib/ipsec/charon"

# The order matters twice: kernel-libipsec must come before kernel-netlink, and the fast ciphers before the
# portable ones. bypass-lan and resolve stay out: they would add policies and write /etc/resolv.conf.
PLUGINS = ("aesni openssl random nonce drbg aes sha1 sha2 mgf1 hmac kdf gcm ccm ctr curve25519 chapoly gmp pem "
           "pkcs1 pkcs8 pubkey x509 revocation constraints kernel-libipsec kernel-netlink socket-default vici updown")


class StrongSwan:
    listen_timeout_s = 20  # from its start until it answers

    def __init__(self, lab, host, name=None):
        self.lab, self.host, self.name = lab, host, name or host
        self.dir = lab.dir / f"swan-{self.name}"
        self.vici = f"unix://{self.dir}/vici"

    def start(self, **options):
        """Starts charon and configures it as configure() does."""
        self.start_charon()
        self.configure(**options)

    def start_charon(self, plugins=PLUGINS, plugin_options="", options="", command=(CHARON,), env=None):
        (self.dir / "swanctl").mkdir(parents=True, exist_ok=True)
        (self.dir / "run").mkdir(exist_ok=True)
        (self.dir / "strongswan.conf").write_text(f"""
charon {{
  load = {plugins}
  {options}
  plugins {{
    vici {{ socket = {self.vici} }}
    {plugin_options}
  }}
  filelog {{ f {{ path = {self.dir}/charon.log
    time_format = %H:%M:%S
    time_add_ms = yes
    flush_line = yes
    default = 1
    ike = 2
  }} }}
}}
""")
        self.lab.start(self.host, f"charon-{self.name}", command, private_run=self.dir / "run",
                       env={"STRONGSWAN_CONF": str(self.dir / "strongswan.conf"), **(env or {})})
        vici = Path(self.dir / "vici")
        wait_for(f"charon of {self.name} to listen; see {self.dir}/charon.log",
                 lambda: vici.exists() and self._try("--stats"), self.listen_timeout_s)

    def configure(self, *, local, remote, local_id, remote_id, psk, local_ts, remote_ts,
                  ike="aes256gcm16-prfsha256-x25519", esp="aes256gcm16", encap=False, dpd_s=0,
                  remote_port=500, extra="", local_auth="psk", remote_auth="psk", files=(), secrets="", more_children=""):
        """(Re)loads its one connection. `extra` is added to the connection, `more_children` to its children. `files`: (folder of swanctl, path) of
        certificates, keys and CRLs; `local_auth` and `remote_auth` are swanctl's words."""
        for folder in ("x509", "x509ca", "x509crl", "private"):
            shutil.rmtree(self.dir / "swanctl" / folder, ignore_errors=True)
        for folder, path in files:
            (self.dir / "swanctl" / folder).mkdir(exist_ok=True)
            shutil.copy(path, self.dir / "swanctl" / folder)
        certs = ", ".join(path.name for folder, path in files if folder == "x509")
        ours = f"certs = {certs}" if certs and local_auth != "psk" else ""
        (self.dir / "swanctl" / "swanctl.conf").write_text(f"""
connections {{ tunnel {{
  version = 2
  local_addrs = {local}
  remote_addrs = {remote}
  remote_port = {remote_port}
  proposals = {ike}
  encap = {"yes" if encap else "no"}
  mobike = no
  dpd_delay = {dpd_s}s
  {extra}
  local {{ auth = {local_auth}
    {ours}
    id = "{local_id}" }}
  remote {{ auth = {remote_auth}
    id = "{remote_id}" }}
  children {{ net {{
    local_ts = {local_ts}
    remote_ts = {remote_ts}
    esp_proposals = {esp}
  }}
  {more_children}
  }}
}} }}
secrets {{ ike-1 {{ secret = "{psk}" }}
  {secrets} }}
""")
        self.swanctl("--load-all", "--noprompt", "--clear")

    def _words(self, *words):
        return ["env", f"SWANCTL_DIR={self.dir}/swanctl", f"STRONGSWAN_CONF={self.dir}/strongswan.conf", "swanctl",
                *words, "--uri", self.vici]

    def _try(self, *words):
        try:
            self.lab.sh(*self._words(*words), timeout=self.listen_timeout_s / 4)
            return True
        except Exception:  # any trouble means: not yet
            return False

    def swanctl(self, *words, check=True, timeout=60):
        done = subprocess.run(self._words(*words), text=True, capture_output=True, timeout=timeout)
        if check and done.returncode != 0:
            raise LabError(f"swanctl {words[0]}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def initiate(self, timeout_s=20):
        """Brings the tunnel up; raises with what charon printed if it does not come up."""
        out = self.try_initiate(timeout_s)
        if "completed successfully" not in out:
            raise LabError(f"{self.name} could not bring its tunnel up:\n{out}")
        return out

    def try_initiate(self, timeout_s=20):
        return self.swanctl("--initiate", "--child", "net", "--timeout", str(timeout_s), check=False,
                            timeout=timeout_s + 10)

    def terminate(self):
        return self.swanctl("--terminate", "--ike", "tunnel", "--timeout", "5", check=False)

    def sas(self):
        return self.swanctl("--list-sas")

    def log(self):
        path = self.dir / "charon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def established_count(self):
        """How many IKE SAs it has ever established."""
        return len(re.findall(r"IKE_SA tunnel\[\d+\] established", self.log()))

    def stop(self):
        self.lab.end(f"charon-{self.name}")
