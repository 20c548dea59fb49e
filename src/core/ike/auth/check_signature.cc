// SPDX-License-Identifier: Apache-2.0
// The peer's certificate and signature.
#include <algorithm>

#include "core/crypto/crl_points.h"
#include "core/ike/auth/identity.h"
#include "core/ike/auth/signature.h"

namespace anyswan::ike::auth {

using crypto::Certificate;
using crypto::HashId;
using crypto::KeyKind;
using crypto::PublicKey;
using crypto::SignatureAlgorithm;
using crypto::SignatureScheme;
using wire::ike::Authentication;
using wire::ike::AuthMethod;
using wire::ike::CertEncoding;
using wire::ike::Identification;
using wire::ike::Payload;

namespace {

constexpr const char* allow_sha1 = "allow_weak = [\"sha1-signatures\"]";

/// The peer's leaf and what it sent beside it.
struct Chain {
    Certificate leaf;
    std::vector<Certificate> intermediates;
};

crypto::Trust trust_of(const sa::TunnelRecord& tunnel, crypto::Sha1Signatures sha1) {
    crypto::Trust trust;
    for (const sa::TrustAnchor& anchor : tunnel.credentials.anchors) {
        if (auto certificate = Certificate::from_der(anchor.certificate)) {
            trust.anchors.push_back(std::move(*certificate));
        }
    }
    for (const Bytes& der : tunnel.credentials.crls) {
        if (auto crl = crypto::Crl::from_der(der)) {
            trust.crls.push_back(std::move(*crl));
        }
    }
    trust.crl_check = tunnel.credentials.crl_check;
    trust.sha1 = sha1;
    return trust;
}

/// A peer that sends no certificate may have its own among the tunnel's anchors.
Expected<Chain, std::string> pinned(const sa::TunnelRecord& tunnel, const Identification& id) {
    for (const sa::TrustAnchor& anchor : tunnel.credentials.anchors) {
        auto certificate = Certificate::from_der(anchor.certificate);
        if (certificate && !identity_problem(*certificate, id)) {
            return Chain{std::move(*certificate), {}};
        }
    }
    return Unexpected{std::string(
        "it sent no certificate, and none for it is among the tunnel's trust anchors: have it send "
        "its certificate")};
}

Expected<Chain, std::string> read_chain(const sa::TunnelRecord& tunnel, const Identification& id,
                                        const std::vector<Payload>& payloads) {
    constexpr std::size_t certificates_max = 16;
    std::vector<Certificate> found;
    std::string other;
    for (const Payload& payload : payloads) {
        const auto* sent = std::get_if<wire::ike::Certificate>(&payload.body);
        if (sent == nullptr || found.size() == certificates_max) {
            continue;
        }
        const auto encoding = static_cast<CertEncoding>(sent->encoding);
        if (encoding != CertEncoding::x509_signature) {
            other = name(encoding);
            continue;
        }
        auto certificate = Certificate::from_der(sent->data);
        if (!certificate) {
            return Unexpected{std::string("it sent a CERT payload that is no X.509 certificate")};
        }
        found.push_back(std::move(*certificate));
    }
    if (!found.empty()) {
        Certificate leaf = found.front();
        found.erase(found.begin());
        return Chain{std::move(leaf), std::move(found)};
    }
    if (!other.empty()) {
        return Unexpected{"it sent its certificate as \"" + other +
                          "\", which is not supported: have it send the certificate itself"};
    }
    return pinned(tunnel, id);
}

Expected<PresentedSignature, std::string> by_rfc7427(const Authentication& auth) {
    Reader rest(auth.data);
    const auto size = rest.u8();
    const auto identifier = size ? rest.take(*size) : std::nullopt;
    if (!identifier) {
        return Unexpected{std::string("its AUTH payload is cut off")};
    }
    const auto algorithm = crypto::decode_algorithm(*identifier);
    if (!algorithm) {
        return Unexpected{"it signs with the algorithm " + to_hex(*identifier) +
                          ", which is unknown here: have it use RSA-PSS, ECDSA or Ed25519"};
    }
    return PresentedSignature{*algorithm, to_bytes(rest.rest())};
}

/// RFC 7296 3.8 doesn't say which hash a method 1 signature has: its own DigestInfo does. The one
/// that verifies, else SHA-1, which then fails.
PresentedSignature by_rsa(const Authentication& auth, const PublicKey& key, ByteView octets) {
    for (const HashId hash : {HashId::sha2_256, HashId::sha2_384, HashId::sha2_512}) {
        const SignatureAlgorithm algorithm{SignatureScheme::rsa_pkcs1, hash};
        if (key.verify(algorithm, octets, auth.data)) {
            return {algorithm, auth.data};
        }
    }
    return {{SignatureScheme::rsa_pkcs1, HashId::sha1}, auth.data};
}

Expected<PresentedSignature, std::string> by_ecdsa(const Authentication& auth, KeyKind expected,
                                                   HashId hash, const PublicKey& key) {
    auto der = key.kind() == expected ? crypto::ecdsa_der(auth.data, expected) : std::nullopt;
    if (!der) {
        return Unexpected{"its " + name(auth.method) + " does not fit its certificate's key (" +
                          crypto::name(key.kind()) + ")"};
    }
    return PresentedSignature{{SignatureScheme::ecdsa, hash}, std::move(*der)};
}

Expected<PresentedSignature, std::string> presented(const Authentication& auth,
                                                    const PublicKey& key, ByteView octets) {
    switch (auth.method) {
        case AuthMethod::digital_signature:
            return by_rfc7427(auth);
        case AuthMethod::rsa_digital_signature:
            return by_rsa(auth, key, octets);
        case AuthMethod::ecdsa_sha256_p256:
            return by_ecdsa(auth, KeyKind::ecdsa_p256, HashId::sha2_256, key);
        case AuthMethod::ecdsa_sha384_p384:
            return by_ecdsa(auth, KeyKind::ecdsa_p384, HashId::sha2_384, key);
        case AuthMethod::ecdsa_sha512_p521:
            return by_ecdsa(auth, KeyKind::ecdsa_p521, HashId::sha2_512, key);
        default:
            return Unexpected{"it authenticates with " + name(auth.method)};
    }
}

/// Whether SHA-1 had to be allowed for the chain; the problem if it isn't good.
Expected<bool, std::string> check_chain(const Chain& chain, const sa::TunnelRecord& tunnel,
                                        WallTime now) {
    using crypto::Sha1Signatures;
    auto problem = crypto::chain_problem(chain.leaf, chain.intermediates,
                                         trust_of(tunnel, Sha1Signatures::refuse), now);
    if (!problem) {
        return false;
    }
    if (tunnel.allows_weak(sa::weak_sha1_signatures)) {
        problem = crypto::chain_problem(chain.leaf, chain.intermediates,
                                        trust_of(tunnel, Sha1Signatures::allow), now);
        if (!problem) {
            return true;
        }
    }
    return Unexpected{*problem};
}

}  // namespace

Expected<AcceptedCertificate, std::string> check_signature(const sa::TunnelRecord& tunnel,
                                                           const Authentication& auth,
                                                           const Identification& id,
                                                           const std::vector<Payload>& payloads,
                                                           ByteView octets, WallTime now) {
    const auto chain = read_chain(tunnel, id, payloads);
    if (!chain) {
        return Unexpected{chain.error()};
    }
    const auto sha1_chain = check_chain(*chain, tunnel, now);
    if (!sha1_chain) {
        return Unexpected{sha1_chain.error()};
    }
    const std::string about = "certificate \"" + chain->leaf.subject() + "\"";
    if (const auto problem = chain->leaf.usage_problem()) {
        return Unexpected{about + " must not be used for IKE: " + *problem};
    }
    if (const auto problem = identity_problem(chain->leaf, id)) {
        return Unexpected{*problem};
    }
    const auto key = chain->leaf.public_key();
    if (!key || key->kind() == KeyKind::other) {
        return Unexpected{about + " has a key of an unsupported kind"};
    }
    const auto signature = presented(auth, *key, octets);
    if (!signature) {
        return Unexpected{signature.error()};
    }
    const std::string how = to_string(signature->algorithm);
    const bool sha1 = signature->algorithm.hash == HashId::sha1;
    const bool good = key->verify(signature->algorithm, octets, signature->value);
    if (sha1 && good && !tunnel.allows_weak(sa::weak_sha1_signatures)) {
        return Unexpected{"it signs with " + how +
                          ", and SHA-1 is broken: have it use SHA-256 (RFC 7427), or set the "
                          "tunnel's " +
                          allow_sha1};
    }
    if (!good) {
        return Unexpected{about + " is right, its signature (" + (sha1 ? name(auth.method) : how) +
                          ") is not: the private key does not belong to the certificate, or "
                          "somebody is in the middle"};
    }
    return AcceptedCertificate{about + ", " + how, sha1 || *sha1_chain};
}

std::vector<std::string> crl_points_of(const sa::TunnelRecord& tunnel, const Identification& id,
                                       const std::vector<Payload>& payloads, WallTime now) {
    if (!tunnel.credentials.crl_points) {
        return {};
    }
    const auto chain = read_chain(tunnel, id, payloads);
    crypto::Trust trust = trust_of(tunnel, tunnel.allows_weak(sa::weak_sha1_signatures)
                                               ? crypto::Sha1Signatures::allow
                                               : crypto::Sha1Signatures::refuse);
    trust.crl_check = crypto::CrlCheck::off;
    if (!chain || crypto::chain_problem(chain->leaf, chain->intermediates, trust, now)) {
        return {};
    }
    std::vector<std::string> urls = crypto::crl_points(chain->leaf);
    for (const Certificate& intermediate : chain->intermediates) {
        // Beside the chain anything may be sent along.
        if (!crypto::chain_problem(intermediate, chain->intermediates, trust, now)) {
            for (std::string& url : crypto::crl_points(intermediate)) {
                urls.push_back(std::move(url));
            }
        }
    }
    return urls;
}

}  // namespace anyswan::ike::auth
