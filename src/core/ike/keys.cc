// SPDX-License-Identifier: Apache-2.0
#include "core/ike/keys.h"

#include "core/crypto/crypto.h"

namespace anyswan::ike {

namespace {

/// Cuts keys off the front of prf+ output, in the order in which the RFC lists them.
class KeyStream {
public:
    explicit KeyStream(const Secret& keymat) : rest_(keymat.reveal()) {}
    Secret take(std::size_t size) {
        const std::optional<ByteView> key = rest_.take(size);
        check(key.has_value(), "key material is too short");
        return Secret::copy_of(*key);
    }

private:
    Reader rest_;
};

/// Ni | Nr [ | SPIi | SPIr ], the seed of prf+. Nothing in it is secret.
Bytes seed_of(NoncePair nonces) {
    return concat({nonces.initiator, nonces.responder});
}

Bytes seed_of(NoncePair nonces, SpiPair spis) {
    Writer seed;
    seed.append(nonces.initiator);
    seed.append(nonces.responder);
    seed.u64(spis.initiator.value());
    seed.u64(spis.responder.value());
    return std::move(seed).take();
}

}  // namespace

MessageKeys MessageKeys::clone() const {
    return {cipher, sk_ei.clone(), sk_er.clone(), sk_ai.clone(), sk_ar.clone()};
}

IkeKeys IkeKeys::clone() const {
    return {d.clone(), ai.clone(), ar.clone(), ei.clone(), er.clone(), pi.clone(), pr.clone()};
}

Secret skeyseed(crypto::PrfId prf, NoncePair nonces, ByteView shared_secret) {
    return crypto::prf(prf, seed_of(nonces), {shared_secret});
}

Secret skeyseed_rekey(crypto::PrfId old_prf, ByteView old_sk_d, NoncePair nonces,
                      ByteView shared_secret, ByteView additional) {
    return crypto::prf(old_prf, old_sk_d,
                       {shared_secret, nonces.initiator, nonces.responder, additional});
}

IkeKeys derive_ike_keys(const crypto::IkeSuite& suite, ByteView skeyseed, NoncePair nonces,
                        SpiPair spis) {
    const std::size_t prf_key = crypto::prf_key_size(suite.prf);
    const std::size_t encr_key = crypto::encr_key_size(suite.cipher);
    const std::size_t integ_key = crypto::integ_key_size(suite.cipher);
    const Secret keymat = crypto::prf_plus(suite.prf, skeyseed, seed_of(nonces, spis),
                                           3 * prf_key + 2 * encr_key + 2 * integ_key);
    KeyStream stream(keymat);
    IkeKeys keys;
    keys.d = stream.take(prf_key);
    keys.ai = stream.take(integ_key);
    keys.ar = stream.take(integ_key);
    keys.ei = stream.take(encr_key);
    keys.er = stream.take(encr_key);
    keys.pi = stream.take(prf_key);
    keys.pr = stream.take(prf_key);
    return keys;
}

ChildKeyPair derive_child_keys(crypto::PrfId prf, const crypto::CipherSuite& suite, ByteView sk_d,
                               NoncePair nonces, ByteView shared_secret, ByteView additional) {
    const std::size_t encr_key = crypto::encr_key_size(suite);
    const std::size_t integ_key = crypto::integ_key_size(suite);
    const Secret seed(concat({shared_secret, nonces.initiator, nonces.responder, additional}));
    const Secret keymat = crypto::prf_plus(prf, sk_d, seed.reveal(), 2 * (encr_key + integ_key));
    // RFC 7296 2.17: "All keys for SAs carrying data from the initiator to the responder are taken
    // before SAs going from the responder to the initiator"; "the encryption key (if any) MUST be
    // taken from the first bits and the integrity key (if any) MUST be taken from the remaining
    // bits."
    KeyStream stream(keymat);
    ChildKeyPair keys;
    keys.initiator_to_responder.encr = stream.take(encr_key);
    keys.initiator_to_responder.integ = stream.take(integ_key);
    keys.responder_to_initiator.encr = stream.take(encr_key);
    keys.responder_to_initiator.integ = stream.take(integ_key);
    return keys;
}

Bytes auth_octets(crypto::PrfId prf, const AuthInput& input) {
    const Secret maced_id = crypto::prf(prf, input.sk_p, {input.rest_of_id_payload});
    return concat(
        {input.own_first_message, input.other_nonce, maced_id.reveal(), input.intermediate});
}

Secret psk_auth(crypto::PrfId prf, ByteView psk, ByteView octets) {
    // RFC 7296 2.15: "The pad string is added so that if the shared secret is derived from a
    // password, the IKE implementation need not store the password in cleartext".
    const Secret padded = crypto::prf(prf, psk, {as_bytes("Key Pad for IKEv2")});
    return crypto::prf(prf, padded.reveal(), {octets});
}

}  // namespace anyswan::ike
