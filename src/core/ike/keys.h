// SPDX-License-Identifier: Apache-2.0
// The key schedule of IKEv2: SKEYSEED, SK_*, KEYMAT of Child SAs, and the AUTH value of a shared
// key (RFC 7296 2.14, 2.15, 2.17, 2.18).
#pragma once

#include "base/secret.h"
#include "base/strong.h"
#include "core/crypto/suites.h"
#include "core/sa/records.h"

namespace anyswan::ike {

/// SK_d .. SK_pr (RFC 7296 2.14). `ai`, `ar` are empty with an AEAD.
struct IkeKeys {
    Secret d, ai, ar, ei, er, pi, pr;
    [[nodiscard]] IkeKeys clone() const;
};

/// What opens the messages of one IKE SA, of both directions: for reading along. `sk_a*` are empty
/// with an AEAD.
struct MessageKeys {
    crypto::CipherSuite cipher;
    Secret sk_ei, sk_er, sk_ai, sk_ar;
    [[nodiscard]] MessageKeys clone() const;
    bool operator==(const MessageKeys&) const = default;
};

/// The same, and whose messages they are.
struct ReadingKeys {
    std::optional<sa::TunnelId> tunnel;  // nothing: not authenticated yet, or unknown
    MessageKeys keys;
    bool operator==(const ReadingKeys&) const = default;
};

/// What both sides put into the derivation, in the initiator's and responder's order.
struct NoncePair {
    ByteView initiator;
    ByteView responder;
};
struct SpiPair {
    IkeSpi initiator;
    IkeSpi responder;
    auto operator<=>(const SpiPair&) const = default;
};

/// SKEYSEED = prf(Ni | Nr, g^ir)
[[nodiscard]] Secret skeyseed(crypto::PrfId prf, NoncePair nonces, ByteView shared_secret);
/// SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), with the old SA's PRF (RFC 7296 2.18); of the
/// same form are those of additional key exchanges before IKE_AUTH (RFC 9370 2.2.2). `additional`:
/// SK(1) | ... SK(n) of those after CREATE_CHILD_SA, which come last (RFC 9370 2.2.4).
[[nodiscard]] Secret skeyseed_rekey(crypto::PrfId old_prf, ByteView old_sk_d, NoncePair nonces,
                                    ByteView shared_secret, ByteView additional = {});
/// {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)
[[nodiscard]] IkeKeys derive_ike_keys(const crypto::IkeSuite& suite, ByteView skeyseed,
                                      NoncePair nonces, SpiPair spis);

/// Keys of a Child SA in both directions; `initiator` is the initiator of the exchange that made
/// it.
struct ChildKeyPair {
    sa::ChildKeys initiator_to_responder;
    sa::ChildKeys responder_to_initiator;
};
/// KEYMAT = prf+(SK_d, [g^ir (new)] | Ni | Nr [| SK(1) | ... SK(n)]) (RFC 7296 2.17, RFC 9370
/// 2.2.4); `shared_secret` empty without PFS.
[[nodiscard]] ChildKeyPair derive_child_keys(crypto::PrfId prf, const crypto::CipherSuite& suite,
                                             ByteView sk_d, NoncePair nonces,
                                             ByteView shared_secret, ByteView additional = {});

/// What one side's AUTH covers.
struct AuthInput {
    ByteView own_first_message;
    ByteView other_nonce;
    ByteView sk_p;
    ByteView rest_of_id_payload;
    /// IntAuth_i | IntAuth_r | IKE_AUTH_MID (RFC 9242 3.3.2); empty without IKE_INTERMEDIATE.
    ByteView intermediate = {};
};
/// The octets that one side signs: RealMessage | NonceOther | prf(SK_p, RestOfIDPayload) (RFC
/// 7296 2.15), and what intermediate exchanges add.
[[nodiscard]] Bytes auth_octets(crypto::PrfId prf, const AuthInput& input);
/// AUTH = prf( prf(Shared Secret, "Key Pad for IKEv2"), octets )
[[nodiscard]] Secret psk_auth(crypto::PrfId prf, ByteView psk, ByteView octets);

}  // namespace anyswan::ike
