# SPDX-License-Identifier: Apache-2.0
"""A small public-key infrastructure per key type: a CA, and a certificate for each name."""

import threading

from .lab import Lab

KEY_TYPES = {
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    "ecdsa256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ecdsa384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ecdsa521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "ed25519": ["-algorithm", "ED25519"],
}


class Pki:
    """Files in `folder`: ca-TYPE.pem, NAME-TYPE.pem and NAME-TYPE.key; made when first asked for."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.RLock()

    def authority(self, key_type):
        with self._lock:
            return self._authority(key_type)

    def certificate(self, name, key_type):
        """(certificate, key, CA) of an end entity whose DNS name is `name`."""
        with self._lock:
            return self._certificate(name, key_type)

    def _authority(self, key_type):
        path = self.folder / f"ca-{key_type}.pem"
        if not path.exists():
            key = self._key(f"ca-{key_type}", key_type)
            Lab.sh("openssl", "req", "-x509", "-new", "-key", key, "-days", "3650", "-subj", f"/O=lab/CN=ca {key_type}",
                   "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", path)
        return path

    def _certificate(self, name, key_type):
        authority = self.authority(key_type)
        path = self.folder / f"{name}-{key_type}.pem"
        if not path.exists():
            key = self._key(f"{name}-{key_type}", key_type)
            request = self.folder / f"{name}-{key_type}.csr"
            Lab.sh("openssl", "req", "-new", "-key", key, "-subj", f"/O=lab/CN={name}", "-out", request)
            extensions = self.folder / f"{name}-{key_type}.ext"
            extensions.write_text(f"subjectAltName=DNS:{name}\nkeyUsage=critical,digitalSignature\n"
                                  "extendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n")
            Lab.sh("openssl", "x509", "-req", "-in", request, "-CA", authority, "-CAkey",
                   self.folder / f"ca-{key_type}.key", "-CAcreateserial", "-days", "3000", "-extfile", extensions,
                   "-out", path)
        return path, self.folder / f"{name}-{key_type}.key", authority

    def intermediate(self, key_type):
        """A CA below the root; (its certificate, its key)."""
        with self._lock:
            path, key = self.folder / f"middle-{key_type}.pem", self.folder / f"middle-{key_type}.key"
            if not path.exists():
                self._signed("middle", key_type, f"/O=lab/CN=middle {key_type}",
                             "keyUsage=critical,keyCertSign,cRLSign\nbasicConstraints=critical,CA:TRUE\n",
                             self.authority(key_type), self.folder / f"ca-{key_type}.key")
            return path, key

    def certificate_below(self, name, key_type):
        """(certificate, key) of `name`, signed by the intermediate CA."""
        with self._lock:
            signer, signer_key = self.intermediate(key_type)
            stem = f"below-{name}"
            if not (self.folder / f"{stem}-{key_type}.pem").exists():
                self._signed(stem, key_type, f"/O=lab/CN={name}",
                             f"subjectAltName=DNS:{name}\nkeyUsage=critical,digitalSignature\n", signer, signer_key)
            return self.folder / f"{stem}-{key_type}.pem", self.folder / f"{stem}-{key_type}.key"

    def revocation_list(self, key_type, revoked=()):
        """A CRL of the root that names the certificates `revoked`."""
        with self._lock:
            folder = self.folder / f"crl-{key_type}"
            folder.mkdir(exist_ok=True)
            (folder / "index.txt").write_text("")
            (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca = lab\n[lab]\ndatabase = {folder}/index.txt\n"
                                           "default_md = sha256\ndefault_crl_days = 30\nunique_subject = no\n")
            ca = ("-config", folder / "ca.cnf", "-cert", self.authority(key_type), "-keyfile",
                  self.folder / f"ca-{key_type}.key")
            for certificate in revoked:
                Lab.sh("openssl", "ca", *ca, "-revoke", certificate)
            path = folder / "ca.crl"
            Lab.sh("openssl", "ca", *ca, "-gencrl", "-out", path)
            return path

    def _signed(self, stem, key_type, subject, extensions, signer, signer_key):
        key = self._key(f"{stem}-{key_type}", key_type)
        request, wanted = self.folder / f"{stem}-{key_type}.csr", self.folder / f"{stem}-{key_type}.ext"
        Lab.sh("openssl", "req", "-new", "-key", key, "-subj", subject, "-out", request)
        wanted.write_text(extensions)
        Lab.sh("openssl", "x509", "-req", "-in", request, "-CA", signer, "-CAkey", signer_key, "-CAcreateserial",
               "-days", "3000", "-extfile", wanted, "-out", self.folder / f"{stem}-{key_type}.pem")

    def _key(self, stem, key_type):
        path = self.folder / f"{stem}.key"
        Lab.sh("openssl", "genpkey", *KEY_TYPES[key_type], "-out", path)
        path.chmod(0o600)
        return path
