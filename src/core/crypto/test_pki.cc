// SPDX-License-Identifier: Apache-2.0
// Test support: certificates, keys and CRLs.
#include "core/crypto/test_pki.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "core/crypto/x509_handles.h"

namespace anyswan::crypto::test {

namespace {

using X509Handle = std::unique_ptr<X509, OpensslFree<X509_free>>;
using CrlHandle = std::unique_ptr<X509_CRL, OpensslFree<X509_CRL_free>>;
using Time = std::unique_ptr<ASN1_TIME, OpensslFree<ASN1_TIME_free>>;

Pkey generate(const CertificateOptions& options) {
    switch (options.kind) {
        case KeyKind::rsa:
            return Pkey(EVP_RSA_gen(options.rsa_bits));
        case KeyKind::ecdsa_p256:
            return Pkey(EVP_EC_gen("P-256"));
        case KeyKind::ecdsa_p384:
            return Pkey(EVP_EC_gen("P-384"));
        case KeyKind::ecdsa_p521:
            return Pkey(EVP_EC_gen("P-521"));
        case KeyKind::ed25519:
        case KeyKind::other:
            break;
    }
    return Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

Pkey key_of(const Issued& issued) {
    const unsigned char* at = issued.key.reveal().data();
    return Pkey(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(issued.key.size())));
}

Time asn1(WallTime time) {
    return Time(ASN1_TIME_set(nullptr, time.unix_ns / 1'000'000'000));
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    if (value.empty()) {
        return;
    }
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str());
    check(extension != nullptr, "an extension of a test certificate");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/// Ed25519 hashes by itself.
const EVP_MD* digest_for(const Pkey& key, const char* digest) {
    return EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_ED25519 ? nullptr
                                                               : EVP_get_digestbyname(digest);
}

Name name_of(const std::string& text) {
    const Bytes der = dn_from_text(text).value();
    const unsigned char* at = der.data();
    return Name(d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size())));
}

template <class Encode, class Object>
Bytes encoded(Encode encode, Object* object) {
    Bytes der(static_cast<std::size_t>(encode(object, nullptr)));
    unsigned char* at = der.data();
    encode(object, &at);
    return der;
}

/// `issuer` null: self-signed.
Issued make(const CertificateOptions& options, const Issued* issuer) {
    static long serial = 1000;
    const Pkey key = generate(options);
    const Pkey issuer_key = issuer == nullptr ? nullptr : key_of(*issuer);
    const Pkey& signer = issuer == nullptr ? key : issuer_key;
    const X509Handle made(X509_new());
    X509* certificate = made.get();
    const auto parent = issuer == nullptr ? std::nullopt : std::optional(issuer->parsed());
    X509* signed_by = parent ? parent->handle() : certificate;
    const Name subject = name_of(options.subject);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_set1_notBefore(certificate, asn1(options.not_before).get());
    X509_set1_notAfter(certificate, asn1(options.not_after).get());
    X509_set_subject_name(certificate, subject.get());
    X509_set_issuer_name(certificate, X509_get_subject_name(signed_by));
    X509_set_pubkey(certificate, key.get());
    add_extension(certificate, signed_by, NID_subject_key_identifier, "hash");
    if (parent) {
        add_extension(certificate, signed_by, NID_authority_key_identifier, "keyid");
    }
    add_extension(certificate, signed_by, NID_subject_alt_name, options.alternative_names);
    add_extension(certificate, signed_by, NID_basic_constraints,
                  options.ca ? "critical,CA:TRUE" : "");
    add_extension(certificate, signed_by, NID_key_usage,
                  options.ca && options.key_usage.empty() ? "critical,keyCertSign,cRLSign"
                                                          : options.key_usage);
    add_extension(certificate, signed_by, NID_ext_key_usage, options.extended_key_usage);
    add_extension(certificate, signed_by, NID_crl_distribution_points, options.crl_points);
    check(X509_sign(certificate, signer.get(), digest_for(signer, options.digest)) > 0,
          "a test certificate");
    return {encoded(i2d_X509, certificate), Secret(encoded(i2d_PrivateKey, key.get()))};
}

}  // namespace

Issued self_signed(const CertificateOptions& options) {
    return make(options, nullptr);
}

Issued issue(const CertificateOptions& options, const Issued& issuer) {
    return make(options, &issuer);
}

Bytes make_crl(const Issued& issuer, const std::vector<Bytes>& revoked, WallTime next_update) {
    const CrlHandle crl(X509_CRL_new());
    const Certificate parent = issuer.parsed();
    const Pkey key = key_of(issuer);
    const Time made = asn1(days_from_now(-60));
    X509_CRL_set_version(crl.get(), 1);
    X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(parent.handle()));
    X509_CRL_set1_lastUpdate(crl.get(), made.get());
    X509_CRL_set1_nextUpdate(crl.get(), asn1(next_update).get());
    for (const Bytes& der : revoked) {
        X509_REVOKED* entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry,
                                      X509_get_serialNumber(Certificate::from_der(der)->handle()));
        X509_REVOKED_set_revocationDate(entry, made.get());
        X509_CRL_add0_revoked(crl.get(), entry);
    }
    X509_CRL_sort(crl.get());
    check(X509_CRL_sign(crl.get(), key.get(), digest_for(key, "SHA256")) > 0, "a test CRL");
    return encoded(i2d_X509_CRL, crl.get());
}

std::string pem(ByteView certificate) {
    const Bio out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), Certificate::from_der(certificate)->handle());
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string pem(const Secret& key) {
    const Bio out(BIO_new(BIO_s_mem()));
    const unsigned char* at = key.reveal().data();
    const Pkey parsed(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(key.size())));
    PEM_write_bio_PrivateKey(out.get(), parsed.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace anyswan::crypto::test
