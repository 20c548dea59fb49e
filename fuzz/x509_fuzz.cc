// SPDX-License-Identifier: Apache-2.0
// Any bytes as what certificates are made of. The first byte chooses: a certificate, a CRL, a file
// of either, a distinguished name as text or two in DER, a key.
#include "base/check.h"
#include "core/crypto/signature.h"
#include "core/crypto/x509.h"
#include "targets.h"

namespace {

using namespace anyswan;

void use(const crypto::Certificate& certificate) {
    (void)certificate.subject();
    (void)certificate.issuer();
    for (const crypto::AlternativeName& name : certificate.alternative_names()) {
        (void)name.to_string();
    }
    (void)certificate.public_key();
    (void)certificate.serial();
    (void)certificate.usage_problem();
    check(certificate.fingerprint().size() == 32 && certificate.key_hash().size() == 20,
          "hashes have their size");
    (void)crypto::utc(certificate.not_before());
    (void)crypto::utc(certificate.not_after());
    (void)crypto::match_dn(certificate.subject_der(), certificate.subject_der());
    crypto::Trust trust;
    trust.anchors.push_back(certificate);
    (void)crypto::chain_problem(certificate, {certificate}, trust,
                                WallTime{1'700'000'000'000'000'000});
}

void use_crl(ByteView bytes) {
    if (const auto crl = crypto::Crl::from_der(bytes)) {
        (void)crl->issuer();
        (void)crl->next_update();
    }
}

void use_name(ByteView bytes) {
    if (const auto der = crypto::dn_from_text(to_string(bytes))) {
        check(crypto::match_dn(*der, *der) != crypto::DnMatch::none, "a name fits itself");
        (void)crypto::dn_to_text(*der);
    }
}

}  // namespace

int anyswan::fuzz::fuzz_x509(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const ByteView bytes(data + 1, size - 1);
    switch (data[0] % 7) {
        case 0:
            if (const auto certificate = crypto::Certificate::from_der(bytes)) {
                use(*certificate);
            }
            break;
        case 1:
            use_crl(bytes);
            break;
        case 2:
            (void)crypto::read_certificates(bytes);
            break;
        case 3:
            (void)crypto::read_crls(bytes);
            break;
        case 4:
            use_name(bytes);
            break;
        case 5:
            (void)crypto::match_dn(bytes.first(bytes.size() / 2), bytes.subspan(bytes.size() / 2));
            (void)crypto::dn_to_text(bytes);
            break;
        default:
            (void)crypto::PrivateKey::parse(bytes);
            break;
    }
    return 0;
}
