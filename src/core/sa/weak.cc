// SPDX-License-Identifier: Apache-2.0
#include "core/sa/weak.h"

#include <algorithm>

namespace anyswan::sa {

namespace {

constexpr const char* modp1536 = "modp1536";
constexpr const char* sha1 = "sha1";
constexpr const char* null = "null";

void add(std::vector<std::string>& words, std::string_view word) {
    if (std::find(words.begin(), words.end(), word) == words.end()) {
        words.emplace_back(word);
    }
}

void add_ke(std::vector<std::string>& words, crypto::KeMethod ke,
            const crypto::AdditionalKe& additional) {
    if (ke == crypto::KeMethod::modp1536 ||
        std::find(additional.begin(), additional.end(), crypto::KeMethod::modp1536) !=
            additional.end()) {
        add(words, modp1536);
    }
}

template <class Suite>
bool allowed(const TunnelRecord& tunnel, const Suite& suite) {
    const std::vector<std::string> words = weak_words(suite);
    return std::all_of(words.begin(), words.end(),
                       [&tunnel](const std::string& word) { return tunnel.allows_weak(word); });
}

}  // namespace

const std::vector<Weakness>& weaknesses() {
    static const std::vector<Weakness> all{
        {weak_sha1_signatures, "signatures with SHA-1", "whose collisions can be bought",
         "certificates and signatures with SHA-256"},
        {modp1536, "the 1536-bit MODP group (group 5)", "which a state can break",
         "modp2048, ecp256 or x25519"},
        {sha1, "HMAC-SHA1-96 and PRF_HMAC_SHA1", "which RFC 8247 wants phased out", "sha256"},
        {null, "ESP without encryption (ENCR_NULL)", "so anyone on the way reads the traffic",
         "aes256gcm16"},
    };
    return all;
}

const Weakness* weakness_of(std::string_view word) {
    for (const Weakness& weakness : weaknesses()) {
        if (weakness.word == word) {
            return &weakness;
        }
    }
    return nullptr;
}

std::vector<std::string> weak_words(const crypto::CipherSuite& suite) {
    std::vector<std::string> words;
    if (suite.encr == crypto::EncrId::null) {
        add(words, null);
    }
    if (suite.integ == crypto::IntegId::hmac_sha1_96) {
        add(words, sha1);
    }
    return words;
}

std::vector<std::string> weak_words(const crypto::IkeSuite& suite) {
    std::vector<std::string> words = weak_words(suite.cipher);
    if (suite.prf == crypto::PrfId::hmac_sha1) {
        add(words, sha1);
    }
    add_ke(words, suite.ke, suite.additional);
    return words;
}

std::vector<std::string> weak_words(const crypto::EspSuite& suite) {
    std::vector<std::string> words = weak_words(suite.cipher);
    add_ke(words, suite.ke, suite.additional);
    return words;
}

std::vector<crypto::IkeSuite> ike_suites_of(const TunnelRecord& tunnel) {
    std::vector<crypto::IkeSuite> suites;
    std::copy_if(tunnel.ike_suites.begin(), tunnel.ike_suites.end(), std::back_inserter(suites),
                 [&tunnel](const crypto::IkeSuite& suite) {
                     return crypto::supported(suite) && allowed(tunnel, suite);
                 });
    return suites;
}

std::vector<crypto::EspSuite> esp_suites_of(const TunnelRecord& tunnel) {
    std::vector<crypto::EspSuite> suites;
    std::copy_if(tunnel.esp_suites.begin(), tunnel.esp_suites.end(), std::back_inserter(suites),
                 [&tunnel](const crypto::EspSuite& suite) {
                     return crypto::supported(suite.cipher) && allowed(tunnel, suite);
                 });
    return suites;
}

std::vector<std::string> warnings(const TunnelRecord& tunnel) {
    std::vector<std::string> sentences;
    for (const std::string& word : tunnel.allow_weak) {
        if (const Weakness* weakness = weakness_of(word)) {
            sentences.push_back("tunnel " + tunnel.id.to_string() + " allows " + weakness->what +
                                ", " + weakness->because + ": give the router " +
                                weakness->instead + ", then take \"" + word + "\" off allow_weak");
        }
    }
    return sentences;
}

}  // namespace anyswan::sa
