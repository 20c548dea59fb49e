// SPDX-License-Identifier: Apache-2.0
// Suites as words of tunnel configuration, the ones operators know from strongSwan's proposals:
// "aes256-sha256-modp2048", "aes128gcm16-prfsha256-x25519", "chacha20poly1305-esn". Words come in
// any order, one of each class; each algorithm prints as the first word that names it.
#include <array>

#include "core/crypto/suites.h"

namespace anyswan::crypto {

namespace {

struct EncrWord {
    std::string_view word;
    EncrId id;
    std::uint16_t key_bits;
};
constexpr std::array encr_words{
    EncrWord{"aes128gcm16", EncrId::aes_gcm_16, 128},
    EncrWord{"aes192gcm16", EncrId::aes_gcm_16, 192},
    EncrWord{"aes256gcm16", EncrId::aes_gcm_16, 256},
    EncrWord{"chacha20poly1305", EncrId::chacha20_poly1305, 0},
    EncrWord{"aes128", EncrId::aes_cbc, 128},
    EncrWord{"aes192", EncrId::aes_cbc, 192},
    EncrWord{"aes256", EncrId::aes_cbc, 256},
    EncrWord{"aes128gcm128", EncrId::aes_gcm_16, 128},
    EncrWord{"aes192gcm128", EncrId::aes_gcm_16, 192},
    EncrWord{"aes256gcm128", EncrId::aes_gcm_16, 256},
    EncrWord{"aes", EncrId::aes_cbc, 128},
};

struct IntegWord {
    std::string_view word;
    IntegId id;
    PrfId prf;  // of an IKE suite that names no PRF
};
constexpr std::array integ_words{
    IntegWord{"sha1", IntegId::hmac_sha1_96, PrfId::hmac_sha1},
    IntegWord{"sha256", IntegId::hmac_sha2_256_128, PrfId::hmac_sha2_256},
    IntegWord{"sha384", IntegId::hmac_sha2_384_192, PrfId::hmac_sha2_384},
    IntegWord{"sha512", IntegId::hmac_sha2_512_256, PrfId::hmac_sha2_512},
    IntegWord{"sha", IntegId::hmac_sha1_96, PrfId::hmac_sha1},
    IntegWord{"sha2_256", IntegId::hmac_sha2_256_128, PrfId::hmac_sha2_256},
    IntegWord{"sha2_384", IntegId::hmac_sha2_384_192, PrfId::hmac_sha2_384},
    IntegWord{"sha2_512", IntegId::hmac_sha2_512_256, PrfId::hmac_sha2_512},
};

template <class Id>
struct Word {
    std::string_view word;
    Id id;
};
constexpr std::array prf_words{
    Word<PrfId>{"prfsha1", PrfId::hmac_sha1},
    Word<PrfId>{"prfsha256", PrfId::hmac_sha2_256},
    Word<PrfId>{"prfsha384", PrfId::hmac_sha2_384},
    Word<PrfId>{"prfsha512", PrfId::hmac_sha2_512},
};
constexpr std::array ke_words{
    Word<KeMethod>{"x25519", KeMethod::curve25519},
    Word<KeMethod>{"ecp256", KeMethod::ecp256},
    Word<KeMethod>{"ecp384", KeMethod::ecp384},
    Word<KeMethod>{"ecp521", KeMethod::ecp521},
    Word<KeMethod>{"modp1536", KeMethod::modp1536},
    Word<KeMethod>{"modp2048", KeMethod::modp2048},
    Word<KeMethod>{"modp3072", KeMethod::modp3072},
    Word<KeMethod>{"modp4096", KeMethod::modp4096},
    Word<KeMethod>{"modp6144", KeMethod::modp6144},
    Word<KeMethod>{"modp8192", KeMethod::modp8192},
    Word<KeMethod>{"x448", KeMethod::curve448},
    Word<KeMethod>{"mlkem512", KeMethod::ml_kem_512},
    Word<KeMethod>{"mlkem768", KeMethod::ml_kem_768},
    Word<KeMethod>{"mlkem1024", KeMethod::ml_kem_1024},
    Word<KeMethod>{"curve25519", KeMethod::curve25519},
    Word<KeMethod>{"curve448", KeMethod::curve448},
};
constexpr std::array sn_words{
    Word<SnId>{"noesn", SnId::sequential_32},
    Word<SnId>{"esn", SnId::partially_transmitted_64},
    Word<SnId>{"unspecified32", SnId::unspecified_32},
};

template <class Rows>
const typename Rows::value_type* find_word(const Rows& rows, std::string_view word) {
    for (const auto& row : rows) {
        if (row.word == word) {
            return &row;
        }
    }
    return nullptr;
}

/// What a suite text names; rows are pointers into the tables above.
struct Words {
    const EncrWord* encr = nullptr;
    const IntegWord* integ = nullptr;
    const Word<PrfId>* prf = nullptr;
    const Word<KeMethod>* ke = nullptr;
    const Word<SnId>* sn = nullptr;
};

/// Stores the row if the word is of this table and the class has none yet.
template <class Rows, class Row>
bool take_word(const Rows& rows, std::string_view word, const Row*& slot) {
    const Row* row = find_word(rows, word);
    if (row == nullptr || slot != nullptr) {
        return false;
    }
    slot = row;
    return true;
}

std::optional<Words> split(std::string_view text) {
    Words words;
    for (;;) {
        const std::size_t dash = text.find('-');
        const std::string_view word = text.substr(0, dash);
        if (!take_word(encr_words, word, words.encr) &&
            !take_word(integ_words, word, words.integ) && !take_word(prf_words, word, words.prf) &&
            !take_word(ke_words, word, words.ke) && !take_word(sn_words, word, words.sn)) {
            return std::nullopt;
        }
        if (dash == std::string_view::npos) {
            return words;
        }
        text.remove_prefix(dash + 1);
    }
}

std::optional<CipherSuite> cipher_of(const Words& words) {
    if (words.encr == nullptr) {
        return std::nullopt;
    }
    const CipherSuite cipher{words.encr->id, words.encr->key_bits,
                             words.integ == nullptr ? IntegId::none : words.integ->id};
    return supported(cipher) ? std::optional(cipher) : std::nullopt;
}

std::string number_word(std::string_view what, std::uint16_t id) {
    return std::string(what) + "#" + std::to_string(id);
}

template <class Rows, class Id>
std::string word_of(const Rows& rows, Id id, std::string_view what) {
    for (const auto& row : rows) {
        if (row.id == id) {
            return std::string(row.word);
        }
    }
    return number_word(what, static_cast<std::uint16_t>(id));
}

}  // namespace

std::string to_string(const CipherSuite& suite) {
    std::string text = number_word("encr", static_cast<std::uint16_t>(suite.encr));
    for (const EncrWord& row : encr_words) {
        if (row.id == suite.encr && row.key_bits == suite.key_bits) {
            text = row.word;
            break;
        }
    }
    if (suite.integ != IntegId::none) {
        text += "-" + word_of(integ_words, suite.integ, "integ");
    }
    return text;
}

std::string to_string(const IkeSuite& suite) {
    std::string text = to_string(suite.cipher);
    bool prf_follows_from_integ = false;
    for (const IntegWord& row : integ_words) {
        prf_follows_from_integ =
            prf_follows_from_integ || (row.id == suite.cipher.integ && row.prf == suite.prf);
    }
    if (!prf_follows_from_integ) {
        text += "-" + word_of(prf_words, suite.prf, "prf");
    }
    return text + "-" + word_of(ke_words, suite.ke, "ke");
}

std::string to_string(const EspSuite& suite) {
    std::string text = to_string(suite.cipher);
    if (suite.ke != KeMethod::none) {
        text += "-" + word_of(ke_words, suite.ke, "ke");
    }
    if (suite.sn != SnId::sequential_32) {
        text += "-" + word_of(sn_words, suite.sn, "sn");
    }
    return text;
}

std::optional<IkeSuite> parse_ike_suite(std::string_view text) {
    const std::optional<Words> words = split(text);
    if (!words || words->ke == nullptr || words->sn != nullptr) {
        return std::nullopt;
    }
    const std::optional<CipherSuite> cipher = cipher_of(*words);
    if (!cipher || (words->prf == nullptr && words->integ == nullptr)) {
        return std::nullopt;
    }
    return IkeSuite{*cipher, words->prf != nullptr ? words->prf->id : words->integ->prf,
                    words->ke->id};
}

std::optional<EspSuite> parse_esp_suite(std::string_view text) {
    const std::optional<Words> words = split(text);
    if (!words || words->prf != nullptr) {
        return std::nullopt;
    }
    const std::optional<CipherSuite> cipher = cipher_of(*words);
    if (!cipher) {
        return std::nullopt;
    }
    return EspSuite{*cipher, words->sn == nullptr ? SnId::sequential_32 : words->sn->id,
                    words->ke == nullptr ? KeMethod::none : words->ke->id};
}

}  // namespace anyswan::crypto
