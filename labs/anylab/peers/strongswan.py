# SPDX-License-Identifier: Apache-2.0
"""strongSwan as a peer: Debian 12's with userspace ESP, and with the kernel's; newer ones by subclass."""

import re
import shutil
import subprocess

from ..lab import Lab, LabError
from ..strongswan import StrongSwan
from .base import ChildState, IkeState, Peer, Status, without_groups

CRYPTO = ("aesni openssl random nonce drbg aes sha1 sha2 mgf1 hmac kdf gcm ccm ctr curve25519 chapoly gmp pem "
          "pkcs1 pkcs8 pubkey x509 revocation constraints")

# What `swanctl --list-sas --raw` calls things, in our words.
ENCR = {"AES_GCM_16": "aes{}gcm16", "AES_CBC": "aes{}", "CHACHA20_POLY1305": "chacha20poly1305",
        "NULL": "null"}
INTEG = {"HMAC_SHA1_96": "sha1", "HMAC_SHA2_256_128": "sha256", "HMAC_SHA2_384_192": "sha384",
         "HMAC_SHA2_512_256": "sha512"}
PRF = {"PRF_HMAC_SHA1": "prfsha1", "PRF_HMAC_SHA2_256": "prfsha256", "PRF_HMAC_SHA2_384": "prfsha384",
       "PRF_HMAC_SHA2_512": "prfsha512"}
KE = {"CURVE_25519": "x25519", "ECP_256": "ecp256", "ECP_384": "ecp384", "ECP_521": "ecp521", "MODP_1536": "modp1536",
      "MODP_2048": "modp2048", "MODP_3072": "modp3072", "MODP_4096": "modp4096", "ML_KEM_512": "mlkem512",
      "ML_KEM_768": "mlkem768", "ML_KEM_1024": "mlkem1024"}

# What a side signs with is constrained ("ike:": the signature in AUTH, not those in the certificates), and how its log
# names it. swanctl has no word for Ed25519 alone: the certificate leaves no choice.
AUTH = {"psk": "psk", "rsa-pkcs1": "rsa-sha256", "rsa-pss": "rsa/pss-sha256", "ecdsa256": "ecdsa-sha256",
        "ecdsa384": "ecdsa-sha384", "ecdsa521": "ecdsa-sha512", "ed25519": "pubkey"}
REMOTE_AUTH = {kind: auth if kind in ("psk", "ed25519") else f"ike:{auth}" for kind, auth in AUTH.items()}
AUTH_NAMES = {"pre-shared key": "psk", "RSA_EMSA_PKCS1_SHA2_256": "rsa-pkcs1", "RSA_EMSA_PSS_SHA2_256_SALT_32": "rsa-pss",
              "ECDSA_WITH_SHA256_DER": "ecdsa256", "ECDSA_WITH_SHA384_DER": "ecdsa384",
              "ECDSA_WITH_SHA512_DER": "ecdsa521", "ED25519": "ed25519"}


def _words(fields):
    words = set()
    if "encr-alg" in fields:
        words.add(ENCR.get(fields["encr-alg"], fields["encr-alg"]).format(fields.get("encr-keysize", "")))
    for key, table in (("integ-alg", INTEG), ("prf-alg", PRF), ("dh-group", KE)):
        if key in fields:
            words.add(table.get(fields[key], fields[key]))
    for key in sorted(fields):
        if re.fullmatch(r"ake[1-7]", key):
            words.add(f"{key[1:]}_{KE.get(fields[key], fields[key])}")
    if fields.get("esn") in ("1", "yes"):
        words.add("esn")
    return frozenset(words)


def _fields(text):
    return dict(re.findall(r"([\w-]+)=(\[[^\]]*\]|\S+)", text))


def parse_sas(raw):
    """Status from `swanctl --list-sas --raw`; SAs on their way up or out are left aside."""
    ike, children = [], []
    for event in re.findall(r"^list-sa event \{(.*)\}$", raw, re.M):
        head, _, rest = event.partition("child-sas {")
        fields = _fields(head)
        if fields.get("state") != "ESTABLISHED":
            continue
        ike.append(IkeState(fields["initiator-spi"], fields["responder-spi"], _words(fields),
                            fields["local-host"], fields["remote-host"]))
        for body in re.findall(r"\{([^{}]*)\}", rest):
            child = _fields(body)
            if child.get("state") == "INSTALLED":
                children.append(ChildState(child["spi-in"], child["spi-out"], without_groups(_words(child)),
                                           child.get("encap") == "yes", child["name"]))
    return Status(tuple(ike), tuple(children))


class StrongSwanPeer(StrongSwan, Peer):
    """Debian 12's, with ESP in userspace: always in UDP, no ESN."""

    name = "strongswan"
    title = "strongSwan 5.9.8"
    dataplane = "userspace"
    kernel_plugins = "kernel-libipsec kernel-netlink"
    plugin_options = ""
    cannot = {
        "esn": "its userspace ESP refuses extended sequence numbers",
        "raw-esp": "its userspace ESP always encapsulates in UDP",
        "mlkem": "has no ML-KEM before 6.0",
        "redirect-auth": "takes a REDIRECT in IKE_AUTH, but then sends nothing to the new gateway (6.1 does)",
    }

    def __init__(self, lab, host):
        StrongSwan.__init__(self, lab, host, self.name)
        self.children = ()

    @classmethod
    def in_brief(cls, case):
        return True

    @classmethod
    def missing(cls):
        return None if shutil.which("swanctl") else "swanctl is missing; tools/setup packages installs it"

    @classmethod
    def version(cls):
        # Without a daemon it says so, but says its version too.
        done = subprocess.run(["swanctl", "--version"], text=True, capture_output=True)
        return "strongSwan " + re.search(r"strongSwan (\d+\.\d+\S*)", done.stdout + done.stderr)[1]

    def start(self, setup):
        options = ["retransmit_tries = 4", "retransmit_timeout = 1.0", "make_before_break = yes"]
        if setup.fragment_size:
            options.append(f"fragment_size = {setup.fragment_size}")
        if setup.demand_cookie:
            options.append("cookie_threshold = 1\n  cookie_threshold_ip = 1")
        options += [f"{key} = {value}" for key, value in setup.extra.get("charon", {}).items()]
        self.start_charon(f"{CRYPTO} {self.kernel_plugins} socket-default vici updown", self.plugin_options,
                          "\n  ".join(options))
        self.children = setup.children
        self._write(setup)
        self.swanctl("--load-all", "--noprompt", "--clear")

    def _write(self, setup):
        folder = self.dir / "swanctl"
        for kind in ("x509", "x509ca", "x509ocsp", "x509aa", "x509ac", "x509crl", "pubkey", "private", "rsa", "ecdsa",
                     "bliss", "pkcs8", "pkcs12"):
            (folder / kind).mkdir(exist_ok=True)
        for auth in (setup.local_auth, setup.remote_auth):
            if auth.kind != "psk":
                shutil.copy(auth.ca, folder / "x509ca")
        if setup.local_auth.kind != "psk":
            shutil.copy(setup.local_auth.certificate, folder / "x509")
            shutil.copy(setup.local_auth.key, folder / "private")
        connection, pools, local_ts, remote_ts = setup.extra.get("connection", ""), "", None, None
        if setup.virtual and setup.initiates:
            connection += f'\n  vips = {",".join("::" if ":" in pool else "0.0.0.0" for pool, _ in setup.virtual)}'
            local_ts = "dynamic"
        elif setup.virtual:
            connection += f'\n  pools = {",".join(f"pool{n}" for n in range(len(setup.virtual)))}'
            pools = "\n".join(f"  pool{n} {{ addrs = {pool}\n    dns = {dns} }}" for n, (pool, dns) in enumerate(setup.virtual))
            remote_ts = "dynamic"
        children = "\n".join(f"""    {child.name} {{
      local_ts = {local_ts or ",".join(child.local_ts)}
      remote_ts = {remote_ts or ",".join(child.remote_ts)}
      esp_proposals = {",".join(setup.esp)}
      rekey_time = 0
    }}""" for child in setup.children)
        ppk = f'ppk_id = "{setup.ppk[0]}"\n  ppk_required = yes' if setup.ppk else ""
        yes_no = {True: "yes", False: "no"}
        text = f"""
connections {{ tunnel {{
  version = 2
  local_addrs = {"%any" if setup.mobike else setup.local}
  remote_addrs = {setup.remote}
  proposals = {",".join(setup.ike)}
  encap = {yes_no[setup.encap]}
  mobike = {yes_no[setup.mobike]}
  fragmentation = {setup.fragment}
  childless = {"force" if setup.childless else "allow"}
  dpd_delay = {setup.dpd_s}s
  rekey_time = 0
  {ppk}
  {connection}
  local {{ auth = {AUTH[setup.local_auth.kind]}
    id = "{setup.local_id}"
    {self._certs(setup.local_auth)} }}
  remote {{ auth = {REMOTE_AUTH[setup.remote_auth.kind]}
    id = "{setup.remote_id}" }}
  children {{
{children}
  }}
}} }}
pools {{
{pools}
}}
secrets {{
  ike-1 {{ secret = "{setup.local_auth.psk or setup.remote_auth.psk or "unused"}" }}
  {f'ppk-1 {{ id = "{setup.ppk[0]}"' + chr(10) + f'    secret = "{setup.ppk[1]}" }}' if setup.ppk else ""}
}}
"""
        (folder / "swanctl.conf").write_text(text)

    @staticmethod
    def _certs(auth):
        return "" if auth.kind == "psk" else f"certs = {auth.certificate.rsplit('/', 1)[-1]}"

    def stop(self):
        self.lab.end(f"charon-{self.name}", timeout_s=3.0)
        shutil.rmtree(self.dir, ignore_errors=True)

    def freeze(self):
        self.lab.send_signal(f"charon-{self.name}", "STOP")

    def _must(self, *words, timeout_s=20):
        out = self.swanctl(*words, "--timeout", str(timeout_s), check=False, timeout=timeout_s + 10)
        if "completed successfully" not in out:
            raise LabError(self._why(out))
        return out

    def _why(self, out):
        """The sentence of its output that says what went wrong."""
        lines = [line for line in out.splitlines() if re.search(r"fail|error|unable|received .* notify|no .* found|"
                                                                 r"unacceptable|mismatch|constraint", line, re.I)]
        return f"{self.title}: " + ("; ".join(line.strip() for line in lines[:3]) or out.strip()[-200:] or "said nothing")

    def initiate(self, child=None):
        self._must("--initiate", "--child", child or self.children[0].name)

    def initiate_ike(self):
        self._must("--initiate", "--ike", "tunnel")

    def rekey_child(self):
        self.swanctl("--rekey", "--child", self.children[0].name, check=False)

    def rekey_ike(self):
        self.swanctl("--rekey", "--ike", "tunnel", check=False)

    def delete_child(self):
        self._must("--terminate", "--child", self.children[0].name, timeout_s=5)

    def delete_ike(self):
        self._must("--terminate", "--ike", "tunnel", timeout_s=5)

    def reauthenticate(self):
        self.swanctl("--rekey", "--ike", "tunnel", "--reauth", check=False)

    def authenticated_us_with(self):
        found = re.findall(r"authentication of '[^']*' with (.+) successful", self.log())
        return AUTH_NAMES.get(found[-1], found[-1]) if found else None

    def status(self):
        return parse_sas(self.swanctl("--list-sas", "--raw"))


class StrongSwanKernel(StrongSwanPeer):
    """The same daemon with the kernel's ESP: only where the kernel has it."""

    name = "strongswan-kernel"
    title = "strongSwan 5.9.8, kernel ESP"
    dataplane = "kernel"
    needs_guest = True
    kernel_plugins = "kernel-netlink"
    cannot = {word: StrongSwanPeer.cannot[word] for word in ("mlkem", "redirect-auth")}
    brief = ("esp-aes256gcm16-esn",)

    @classmethod
    def in_brief(cls, case):
        return case in cls.brief
