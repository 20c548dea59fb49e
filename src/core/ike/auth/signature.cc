// SPDX-License-Identifier: Apache-2.0
// Our own signature: which one the peer can verify.
#include "core/ike/auth/signature.h"

#include <algorithm>

namespace anyswan::ike::auth {

using crypto::HashId;
using crypto::KeyKind;
using crypto::SignatureAlgorithm;
using crypto::SignatureScheme;
using wire::ike::Authentication;
using wire::ike::AuthMethod;
using wire::ike::CertEncoding;
using wire::ike::Payload;

namespace {

/// The hash that fits the key comes first (RFC 7427 4 leaves the choice to the signer).
std::vector<HashId> hashes_for(KeyKind kind, bool sha1) {
    std::vector<HashId> hashes{HashId::sha2_256, HashId::sha2_384, HashId::sha2_512};
    if (kind == KeyKind::ecdsa_p384) {
        hashes = {HashId::sha2_384, HashId::sha2_512, HashId::sha2_256};
    } else if (kind == KeyKind::ecdsa_p521) {
        hashes = {HashId::sha2_512, HashId::sha2_384, HashId::sha2_256};
    }
    if (sha1) {
        hashes.push_back(HashId::sha1);
    }
    return hashes;
}

/// All that a key can do by RFC 7427, the best first.
std::vector<SignatureAlgorithm> algorithms_for(KeyKind kind, const sa::TunnelRecord& tunnel) {
    if (kind == KeyKind::ed25519) {
        return {{SignatureScheme::ed25519, HashId::identity}};
    }
    const auto hashes = hashes_for(kind, tunnel.allows_weak(sa::weak_sha1_signatures));
    std::vector<SignatureAlgorithm> plain;
    std::vector<SignatureAlgorithm> pss;
    for (const HashId hash : hashes) {
        plain.push_back(
            {kind == KeyKind::rsa ? SignatureScheme::rsa_pkcs1 : SignatureScheme::ecdsa, hash});
        if (kind == KeyKind::rsa && hash != HashId::sha1) {
            pss.push_back(SignatureAlgorithm::pss(hash));
        }
    }
    const bool pss_first = tunnel.credentials.rsa_padding == sa::RsaPadding::pss;
    std::vector<SignatureAlgorithm> all = pss_first ? pss : plain;
    const auto& rest = pss_first ? plain : pss;
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
}

/// The methods of before RFC 7427.
std::optional<SigningChoice> legacy(KeyKind kind, bool sha1) {
    switch (kind) {
        case KeyKind::rsa:
            // RFC 7296 3.8: implementations "SHOULD use SHA-1 as the default hash function when
            // generating signatures". Only for a tunnel that wants it; many peers take SHA-256.
            return SigningChoice{
                AuthMethod::rsa_digital_signature,
                {SignatureScheme::rsa_pkcs1, sha1 ? HashId::sha1 : HashId::sha2_256}};
        case KeyKind::ecdsa_p256:
            return SigningChoice{AuthMethod::ecdsa_sha256_p256,
                                 {SignatureScheme::ecdsa, HashId::sha2_256}};
        case KeyKind::ecdsa_p384:
            return SigningChoice{AuthMethod::ecdsa_sha384_p384,
                                 {SignatureScheme::ecdsa, HashId::sha2_384}};
        case KeyKind::ecdsa_p521:
            return SigningChoice{AuthMethod::ecdsa_sha512_p521,
                                 {SignatureScheme::ecdsa, HashId::sha2_512}};
        case KeyKind::ed25519:
        case KeyKind::other:
            return std::nullopt;
    }
    return std::nullopt;
}

std::string describe(const std::vector<HashId>& hashes) {
    std::string text;
    for (const HashId hash : hashes) {
        text += (text.empty() ? "" : ", ") + name(hash);
    }
    return text.empty() ? "none" : text;
}

bool announced(const Terms& terms, const SignatureAlgorithm& algorithm) {
    return std::any_of(
        terms.methods.begin(), terms.methods.end(),
        [&algorithm](const AnnouncedMethod& method) { return method.algorithm == algorithm; });
}

}  // namespace

Expected<SigningChoice, std::string> choose_signature(KeyKind kind, const sa::TunnelRecord& tunnel,
                                                      const Terms& terms) {
    const bool sha1 = tunnel.allows_weak(sa::weak_sha1_signatures);
    if (terms.hashes) {
        std::vector<SignatureAlgorithm> fitting;
        for (const SignatureAlgorithm& algorithm : algorithms_for(kind, tunnel)) {
            const auto& hashes = *terms.hashes;
            if (std::find(hashes.begin(), hashes.end(), algorithm.hash) != hashes.end()) {
                fitting.push_back(algorithm);
            }
        }
        // RFC 9593: what the peer announced goes before our own preference.
        const auto best =
            std::find_if(fitting.begin(), fitting.end(),
                         [&terms](const auto& algorithm) { return announced(terms, algorithm); });
        if (!fitting.empty()) {
            return SigningChoice{AuthMethod::digital_signature,
                                 best == fitting.end() ? fitting.front() : *best};
        }
    }
    if (const auto old = legacy(kind, sha1)) {
        return *old;
    }
    return Unexpected{
        std::string("our key is ") + crypto::name(kind) + ", which the peer can't verify (" +
        (terms.hashes ? "it announced the hashes " + describe(*terms.hashes)
                      : std::string("it does not know RFC 7427, SIGNATURE_HASH_ALGORITHMS")) +
        "): use an RSA or ECDSA certificate for this tunnel"};
}

Expected<Authentication, std::string> sign_auth(const sa::TunnelRecord& tunnel, const Terms& terms,
                                                ByteView octets) {
    const auto key = crypto::PrivateKey::parse(tunnel.credentials.private_key.reveal());
    if (!key) {
        return Unexpected{std::string("the tunnel's private key can't be used: it ") + key.error()};
    }
    const auto choice = choose_signature(key->kind(), tunnel, terms);
    if (!choice) {
        return Unexpected{choice.error()};
    }
    auto signature = key->sign(choice->algorithm, octets);
    if (!signature) {
        return Unexpected{std::string("signing with the tunnel's private key failed: ") +
                          crypto::name(signature.error())};
    }
    switch (choice->method) {
        case AuthMethod::digital_signature: {
            // RFC 7427 3: the length of the AlgorithmIdentifier, itself, the signature.
            const Bytes identifier = encode_algorithm(choice->algorithm);
            const auto size = static_cast<std::uint8_t>(identifier.size());
            return Authentication{choice->method,
                                  concat({ByteView(&size, 1), identifier, *signature})};
        }
        case AuthMethod::rsa_digital_signature:
            return Authentication{choice->method, std::move(*signature)};
        default: {
            auto raw = crypto::ecdsa_raw(*signature, key->kind());
            check(raw.has_value(), "an ECDSA signature of our own");
            return Authentication{choice->method, std::move(*raw)};
        }
    }
}

void append_certificates(std::vector<Payload>& payloads, const sa::TunnelRecord& tunnel) {
    if (tunnel.credentials.local != sa::AuthKind::certificate) {
        return;
    }
    // RFC 7296 3.6: "If multiple certificates are sent, the first certificate MUST contain the
    // public key associated with the private key used to sign the AUTH payload."
    for (const Bytes& der : tunnel.credentials.certificates) {
        payloads.push_back(
            {wire::ike::Certificate{static_cast<std::uint8_t>(CertEncoding::x509_signature), der}});
    }
}

}  // namespace anyswan::ike::auth
