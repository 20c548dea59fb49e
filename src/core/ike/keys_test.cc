// SPDX-License-Identifier: Apache-2.0
// The key schedule against NIST's samples and against exchanges of two strongSwan daemons whose
// keys were re-derived by an independent program.
#include "core/ike/keys.h"

#include <map>

#include "core/crypto/crypto.h"
#include "core/crypto/vectors_test.h"

namespace anyswan::ike {
namespace {

using crypto::EncrId;
using crypto::IntegId;
using crypto::PrfId;
using vectors::hex_field;

PrfId prf_of(const std::string& hash) {
    static const std::map<std::string, PrfId> names{{"sha1", PrfId::hmac_sha1},
                                                    {"sha256", PrfId::hmac_sha2_256},
                                                    {"sha384", PrfId::hmac_sha2_384},
                                                    {"sha512", PrfId::hmac_sha2_512}};
    return names.at(hash);
}

TEST(Keys, NistSamples) {
    std::map<std::string, int> ran;
    for (const auto& sample : vectors::load("nist-ikev2/nist-ikev2-samples.json")) {
        const std::string kind = sample.at("kind");
        const PrfId prf = prf_of(sample.at("hash"));
        SCOPED_TRACE(kind + " " + sample.at("hash").get<std::string>());
        ++ran[kind];
        if (kind == "prf_plus") {
            const Bytes out = hex_field(sample, "out");
            const Bytes seed = concat({hex_field(sample, "g_ir_new"), hex_field(sample, "seed")});
            EXPECT_EQ(crypto::prf_plus(prf, hex_field(sample, "key"), seed, out.size()),
                      Secret::copy_of(out));
            continue;
        }
        const Bytes ni = hex_field(sample, "ni");
        const Bytes nr = hex_field(sample, "nr");
        const Secret expected(hex_field(sample, "skeyseed"));
        if (kind == "skeyseed") {
            EXPECT_EQ(skeyseed(prf, {ni, nr}, hex_field(sample, "g_ir")), expected);
        } else {
            EXPECT_EQ(skeyseed_rekey(prf, hex_field(sample, "sk_d"), {ni, nr},
                                     hex_field(sample, "g_ir_new")),
                      expected);
        }
    }
    EXPECT_EQ(ran, (std::map<std::string, int>{
                       {"prf_plus", 12}, {"skeyseed", 8}, {"skeyseed_rekey", 4}}));
}

crypto::CipherSuite cipher_of(const nlohmann::json& event) {
    return {EncrId{event.at("encr").get<std::uint16_t>()}, event.at("keylen").get<std::uint16_t>(),
            IntegId{event.at("integ").get<std::uint16_t>()}};
}

IkeSpi spi_of(const nlohmann::json& event, const char* field) {
    return IkeSpi(load_u64(hex_field(event, field)));
}

/// Derives again what a capture's events derive, in their order.
class Replay {
public:
    explicit Replay(const std::string& capture)
        : file_(vectors::load("captures/" + capture + "/vector.json")) {
        for (const auto& event : file_.at("events")) {
            const std::string what = event.at("event");
            if (what == "derive-ike") {
                derive_ike(event);
            } else if (what == "derive-child") {
                derive_child(event);
            } else if (what == "auth-psk") {
                authenticate(event);
            }
        }
    }
    int ike_sas = 0, child_sas = 0, auths = 0;

private:
    void derive_ike(const nlohmann::json& event) {
        const Bytes ni = hex_field(event, "ni");
        const Bytes nr = hex_field(event, "nr");
        const Bytes shared = hex_field(event, "shared_secret");
        const crypto::IkeSuite suite{cipher_of(event), PrfId{event.at("prf").get<std::uint16_t>()},
                                     crypto::KeMethod::none};
        const NoncePair nonces{ni, nr};
        const Secret seed = event.at("kind") == "init"
                                ? skeyseed(suite.prf, nonces, shared)
                                : skeyseed_rekey(prf_, keys_.d.reveal(), nonces, shared);
        EXPECT_EQ(seed, Secret(hex_field(event, "skeyseed")));
        keys_ = derive_ike_keys(suite, seed.reveal(), nonces,
                                {spi_of(event, "spi_i"), spi_of(event, "spi_r")});
        prf_ = suite.prf;
        EXPECT_EQ(keys_.d, Secret(hex_field(event, "SK_d")));
        EXPECT_EQ(keys_.ai, Secret(hex_field(event, "SK_ai")));
        EXPECT_EQ(keys_.ar, Secret(hex_field(event, "SK_ar")));
        EXPECT_EQ(keys_.ei, Secret(hex_field(event, "SK_ei")));
        EXPECT_EQ(keys_.er, Secret(hex_field(event, "SK_er")));
        EXPECT_EQ(keys_.pi, Secret(hex_field(event, "SK_pi")));
        EXPECT_EQ(keys_.pr, Secret(hex_field(event, "SK_pr")));
        ++ike_sas;
    }

    void derive_child(const nlohmann::json& event) {
        const Bytes ni = hex_field(event, "ni");
        const Bytes nr = hex_field(event, "nr");
        const ChildKeyPair pair = derive_child_keys(prf_, cipher_of(event), keys_.d.reveal(),
                                                    {ni, nr}, hex_field(event, "shared_secret"));
        EXPECT_EQ(pair.initiator_to_responder.encr, Secret(hex_field(event, "encr_i")));
        EXPECT_EQ(pair.initiator_to_responder.integ, Secret(hex_field(event, "integ_i")));
        EXPECT_EQ(pair.responder_to_initiator.encr, Secret(hex_field(event, "encr_r")));
        EXPECT_EQ(pair.responder_to_initiator.integ, Secret(hex_field(event, "integ_r")));
        ++child_sas;
    }

    void authenticate(const nlohmann::json& event) {
        const Bytes octets = hex_field(event, "octets");
        const Secret auth = psk_auth(prf_, as_bytes("ikev2 test vector psk 0123456789"), octets);
        EXPECT_EQ(auth, Secret(hex_field(event, "auth")));
        // The octets end with prf(SK_p, IDi' or IDr'); both identities are known.
        const bool initiator = event.at("from_initiator").get<bool>();
        const Bytes id = concat(
            {Bytes{2, 0, 0, 0}, as_bytes(initiator ? "initiator.example" : "responder.example")});
        const std::size_t mac = crypto::prf_output_size(prf_);
        const AuthInput input{ByteView(octets).first(octets.size() - 32 - mac),
                              ByteView(octets).subspan(octets.size() - 32 - mac, 32),
                              (initiator ? keys_.pi : keys_.pr).reveal(), id};
        EXPECT_EQ(auth_octets(prf_, input), octets);
        ++auths;
    }

    nlohmann::json file_;
    IkeKeys keys_;
    PrfId prf_{};
};

TEST(Keys, StrongswansExchangesDeriveTheSameKeys) {
    for (const char* capture : {"classic-chacha20poly1305-psk", "classic-ecp256-aes128gcm-psk",
                                "classic-ecp384-psk", "classic-modp2048-aes256cbc-sha256-psk"}) {
        SCOPED_TRACE(capture);
        const Replay replay(capture);
        EXPECT_EQ(replay.ike_sas, 1);
        EXPECT_EQ(replay.child_sas, 1);
        EXPECT_EQ(replay.auths, 2);
    }
}

TEST(Keys, StrongswansRekeysDeriveTheSameKeys) {
    const Replay replay("rekey-classic-x25519-pfs");
    EXPECT_EQ(replay.ike_sas, 3);
    EXPECT_EQ(replay.child_sas, 4);
}

TEST(Keys, CloneIsEqualAndSeparate) {
    SeededRandom random(1);
    IkeKeys keys{random.secret(32), Secret(),          Secret(),         random.secret(36),
                 random.secret(36), random.secret(32), random.secret(32)};
    const IkeKeys copy = keys.clone();
    EXPECT_EQ(copy.pr, keys.pr);
    keys.d.writable()[0] ^= 1U;
    EXPECT_FALSE(copy.d == keys.d);
}

}  // namespace
}  // namespace anyswan::ike
