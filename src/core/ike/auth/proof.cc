// SPDX-License-Identifier: Apache-2.0
#include "core/ike/auth/proof.h"

namespace anyswan::ike::auth {

using sa::AuthKind;
using wire::ike::Authentication;
using wire::ike::AuthMethod;

namespace {

Bytes octets_of(crypto::PrfId prf, const Signer& signer) {
    const Bytes id = signer.id.rest_of_payload();
    return auth_octets(prf, {signer.first_message, signer.other_nonce, signer.sk_p.reveal(), id,
                             signer.intermediate});
}

}  // namespace

const char* words_for(AuthKind kind) {
    return kind == AuthKind::certificate ? "a certificate" : "a pre-shared key";
}

bool expected_method(const sa::TunnelRecord& tunnel, AuthMethod method) {
    switch (method) {
        case AuthMethod::shared_key_mic:
            return tunnel.credentials.remote == AuthKind::psk;
        case AuthMethod::rsa_digital_signature:
        case AuthMethod::ecdsa_sha256_p256:
        case AuthMethod::ecdsa_sha384_p384:
        case AuthMethod::ecdsa_sha512_p521:
        case AuthMethod::digital_signature:
            return tunnel.credentials.remote == AuthKind::certificate;
        default:
            return false;
    }
}

bool complete(const sa::TunnelRecord& tunnel) {
    const sa::Credentials& credentials = tunnel.credentials;
    const bool local = credentials.local == AuthKind::psk
                           ? !tunnel.psk.empty()
                           : !credentials.certificates.empty() && !credentials.private_key.empty();
    const bool remote =
        credentials.remote == AuthKind::psk ? !tunnel.psk.empty() : !credentials.anchors.empty();
    return local && remote;
}

Expected<Authentication, std::string> prove(crypto::PrfId prf, const sa::TunnelRecord& tunnel,
                                            const Terms& terms, const Signer& us) {
    const Bytes octets = octets_of(prf, us);
    if (tunnel.credentials.local == AuthKind::certificate) {
        return sign_auth(tunnel, terms, octets);
    }
    return Authentication{AuthMethod::shared_key_mic,
                          to_bytes(psk_auth(prf, tunnel.psk.reveal(), octets).reveal())};
}

Expected<Proved, ProofFailure> judge(crypto::PrfId prf, const sa::TunnelRecord& tunnel,
                                     const PeerProof& proof, const Signer& peer, WallTime now) {
    using Kind = ProofFailure::Kind;
    if (!expected_method(tunnel, proof.auth.method)) {
        return Unexpected{ProofFailure{Kind::method, {}}};
    }
    const Bytes octets = octets_of(prf, peer);
    if (tunnel.credentials.remote == AuthKind::psk) {
        const bool good = !tunnel.psk.empty() &&
                          constant_time_equal(proof.auth.data,
                                              psk_auth(prf, tunnel.psk.reveal(), octets).reveal());
        return good ? Expected<Proved, ProofFailure>(Proved{})
                    : Unexpected{ProofFailure{Kind::shared_key, {}}};
    }
    auto accepted = check_signature(tunnel, proof.auth, peer.id, proof.payloads, octets, now);
    if (!accepted) {
        return Unexpected{ProofFailure{Kind::certificate, accepted.error()}};
    }
    return Proved{std::move(*accepted)};
}

}  // namespace anyswan::ike::auth
