// SPDX-License-Identifier: Apache-2.0
// SIGNATURE_HASH_ALGORITHMS, SUPPORTED_AUTH_METHODS, CERTREQ, USE_PPK.
#include "core/ike/auth/terms.h"

#include <algorithm>

#include "core/wire/ike/message.h"

namespace anyswan::ike::auth {

using crypto::HashId;
using crypto::SignatureAlgorithm;
using crypto::SignatureScheme;
using sa::AuthKind;
using wire::ike::AuthMethod;
using wire::ike::CertEncoding;
using wire::ike::CertificateRequest;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

namespace {

using Tunnels = std::vector<const sa::TunnelRecord*>;

bool any_of(const Tunnels& tunnels, bool (*asks)(const sa::TunnelRecord&)) {
    return std::any_of(tunnels.begin(), tunnels.end(),
                       [asks](const sa::TunnelRecord* tunnel) { return asks(*tunnel); });
}
bool any_certificates(const sa::TunnelRecord& tunnel) {
    return tunnel.credentials.uses_certificates();
}
bool certificate_wanted(const sa::TunnelRecord& tunnel) {
    return tunnel.credentials.remote == AuthKind::certificate;
}
bool psk_wanted(const sa::TunnelRecord& tunnel) {
    return tunnel.credentials.remote == AuthKind::psk;
}
bool sha1_allowed(const sa::TunnelRecord& tunnel) {
    return tunnel.allows_weak(sa::weak_sha1_signatures);
}

Payload notify(NotifyType type, Bytes data = {}) {
    return {Notify{{}, {}, type, std::move(data)}};
}

/// RFC 7427 4: "a list of 16-bit hash algorithm identifiers".
Payload hash_algorithms(const Tunnels& tunnels) {
    Writer data;
    for (const HashId hash :
         {HashId::sha2_256, HashId::sha2_384, HashId::sha2_512, HashId::identity}) {
        data.u16(static_cast<std::uint16_t>(hash));
    }
    if (any_of(tunnels, sha1_allowed)) {
        data.u16(static_cast<std::uint16_t>(HashId::sha1));
    }
    return notify(NotifyType::signature_hash_algorithms, std::move(data).take());
}

const std::vector<SignatureAlgorithm>& verifiable() {
    static const std::vector<SignatureAlgorithm> all{
        SignatureAlgorithm::pss(HashId::sha2_256),
        SignatureAlgorithm::pss(HashId::sha2_384),
        SignatureAlgorithm::pss(HashId::sha2_512),
        {SignatureScheme::ecdsa, HashId::sha2_256},
        {SignatureScheme::ecdsa, HashId::sha2_384},
        {SignatureScheme::ecdsa, HashId::sha2_512},
        {SignatureScheme::ed25519, HashId::identity},
        {SignatureScheme::rsa_pkcs1, HashId::sha2_256},
        {SignatureScheme::rsa_pkcs1, HashId::sha2_384},
        {SignatureScheme::rsa_pkcs1, HashId::sha2_512},
    };
    return all;
}

/// RFC 9593 3.2: announcements of 2 octets (no more to say), 3 (with a link to a CA of CERTREQ; 0:
/// any) and more (with an AlgorithmIdentifier).
Payload supported_methods(const Tunnels& tunnels) {
    Writer data;
    if (any_of(tunnels, psk_wanted)) {
        data.u8(2);
        data.u8(static_cast<std::uint8_t>(AuthMethod::shared_key_mic));
    }
    if (any_of(tunnels, certificate_wanted)) {
        for (const SignatureAlgorithm& algorithm : verifiable()) {
            const Bytes identifier = encode_algorithm(algorithm);
            data.u8(static_cast<std::uint8_t>(3 + identifier.size()));
            data.u8(static_cast<std::uint8_t>(AuthMethod::digital_signature));
            data.u8(0);
            data.append(identifier);
        }
    }
    return notify(NotifyType::supported_auth_methods, std::move(data).take());
}

std::vector<AnnouncedMethod> read_methods(ByteView data) {
    std::vector<AnnouncedMethod> methods;
    Reader rest(data);
    while (const auto size = rest.u8()) {
        const auto body = *size < 2 ? std::nullopt : rest.take(*size - std::size_t{1});
        if (!body) {
            break;  // what can't be read ends the list
        }
        AnnouncedMethod announced{static_cast<AuthMethod>((*body)[0]), std::nullopt};
        if (announced.method == AuthMethod::digital_signature && body->size() > 2) {
            announced.algorithm = crypto::decode_algorithm(body->subspan(2));
        }
        methods.push_back(announced);
    }
    return methods;
}

/// RFC 7296 3.7: "a concatenated list of SHA-1 hashes of the public keys of trusted CAs".
void append_certreq(std::vector<Payload>& payloads, const Tunnels& tunnels) {
    constexpr std::size_t named_max = 32;
    std::vector<Bytes> hashes;
    for (const sa::TunnelRecord* tunnel : tunnels) {
        if (!certificate_wanted(*tunnel)) {
            continue;
        }
        for (const sa::TrustAnchor& anchor : tunnel->credentials.anchors) {
            if (hashes.size() < named_max &&
                std::find(hashes.begin(), hashes.end(), anchor.key_hash) == hashes.end()) {
                hashes.push_back(anchor.key_hash);
            }
        }
    }
    if (hashes.empty()) {
        return;
    }
    Writer authority;
    for (const Bytes& hash : hashes) {
        authority.append(hash);
    }
    payloads.push_back({CertificateRequest{static_cast<std::uint8_t>(CertEncoding::x509_signature),
                                           std::move(authority).take()}});
}

}  // namespace

bool knows_ppk(const Tunnels& tunnels) {
    return any_of(tunnels, [](const sa::TunnelRecord& tunnel) {
        return tunnel.credentials.ppk.configured();
    });
}

void append_to_init_request(std::vector<Payload>& payloads, const sa::TunnelRecord& tunnel) {
    if (any_certificates(tunnel)) {
        payloads.push_back(hash_algorithms({&tunnel}));
    }
    if (tunnel.credentials.ppk.configured()) {
        payloads.push_back(notify(NotifyType::use_ppk));
    }
}

void append_to_init_response(std::vector<Payload>& payloads, const std::vector<Payload>& request,
                             const Tunnels& tunnels) {
    append_certreq(payloads, tunnels);
    if (any_of(tunnels, any_certificates)) {
        if (find_notify(request, NotifyType::signature_hash_algorithms) != nullptr) {
            payloads.push_back(hash_algorithms(tunnels));
        }
        payloads.push_back(supported_methods(tunnels));
    }
    if (knows_ppk(tunnels) && find_notify(request, NotifyType::use_ppk) != nullptr) {
        payloads.push_back(notify(NotifyType::use_ppk));
    }
}

void append_to_auth_request(std::vector<Payload>& payloads, const sa::TunnelRecord& tunnel,
                            const Terms& terms) {
    append_certreq(payloads, {&tunnel});
    if (!terms.methods.empty()) {
        payloads.push_back(supported_methods({&tunnel}));
    }
}

Terms terms_of(const std::vector<Payload>& payloads, bool ppk_offered) {
    Terms terms;
    if (const Notify* hashes = find_notify(payloads, NotifyType::signature_hash_algorithms)) {
        terms.hashes.emplace();
        Reader rest(hashes->data);
        while (const auto hash = rest.u16()) {
            terms.hashes->push_back(static_cast<HashId>(*hash));
        }
    }
    terms.ppk = ppk_offered && find_notify(payloads, NotifyType::use_ppk) != nullptr;
    terms.childless = find_notify(payloads, NotifyType::childless_ikev2_supported) != nullptr;
    add_from_auth_request(terms, payloads);
    return terms;
}

void add_from_auth_request(Terms& terms, const std::vector<Payload>& payloads) {
    if (const Notify* methods = find_notify(payloads, NotifyType::supported_auth_methods)) {
        terms.methods = read_methods(methods->data);
    }
}

}  // namespace anyswan::ike::auth
