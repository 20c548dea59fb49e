# SPDX-License-Identifier: Apache-2.0
"""strongSwan of Debian testing, which has ML-KEM, in a chroot (labs/peers/get-strongswan6 makes it)."""

from pathlib import Path

from ..lab import Lab, LabError
from .strongswan import StrongSwanPeer

CHROOT = Path("/var/cache/anyswan-lab/strongswan6")
CHARON = "/usr/lib/ipsec/charon"

# Runs charon in the chroot, with the lab's folder, the private /run and the devices visible there. The mounts are
# those of its own mount namespace and end with it.
ENTER = ('set -e; for folder in /dev /proc /run /var/lib/anyswan-lab; do mount --rbind $folder "$0$folder"; done; '
         'exec chroot "$0" "$@"')


class StrongSwan6Peer(StrongSwanPeer):
    """ESP in userspace again, but raw where no NAT is in the way."""

    name = "strongswan6"
    title = "strongSwan 6.1"
    plugin_options = "kernel-libipsec { raw_esp = yes }"
    optional = True
    cannot = {"esn": StrongSwanPeer.cannot["esn"]}
    brief = ("ke-x25519", "auth-rsa-pss", "path-raw-esp", "pq-x25519-mlkem768", "pq-ecp384-mlkem1024",
             "pq-rekey-child-peer", "pq-rekey-ike-peer", "pq-rekey-child-us", "pq-rekey-ike-us")

    @classmethod
    def in_brief(cls, case):
        return case in cls.brief

    @classmethod
    def missing(cls):
        if not (CHROOT / ".complete").exists():
            return "its chroot is missing; labs/peers/get-strongswan6 makes it"
        return None

    @classmethod
    def version(cls):
        return Lab.sh("chroot", CHROOT, CHARON, "--version").strip()

    def start_charon(self, *words, **options):
        super().start_charon(*words, command=("sh", "-c", ENTER, CHROOT, CHARON), **options)
        if "ML_KEM_768" not in self.swanctl("--list-algs"):
            raise LabError(f"{self.version()} in {CHROOT} has no ML_KEM_768")
