// SPDX-License-Identifier: Apache-2.0
// Suites as words of tunnel configuration, the ones operators know from strongSwan's proposals:
// "aes256-sha256-modp2048", "aes256gcm16-prfsha384-x25519-ke1_mlkem768", "chacha20poly1305-esn".
// Words come in any order, one of each class; each algorithm prints as the first word that names
// it.
#include <algorithm>
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
    EncrWord{"null", EncrId::null, 0},
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
    std::array<const Word<KeMethod>*, additional_ke_max> additional{};
};

enum class Taken : std::uint8_t { unknown_word, second_of_class, yes };

/// Stores the row if the word is of this table and the class has none yet.
template <class Rows, class Row>
Taken take_word(const Rows& rows, std::string_view word, const Row*& slot) {
    const Row* row = find_word(rows, word);
    if (row == nullptr) {
        return Taken::unknown_word;
    }
    if (slot != nullptr) {
        return Taken::second_of_class;
    }
    slot = row;
    return Taken::yes;
}

/// "ke1_mlkem768" .. "ke7_...": the n-th additional key exchange.
Taken take_additional(std::string_view word, Words& words) {
    constexpr std::size_t prefix = 4;
    if (word.size() <= prefix || !word.starts_with("ke") || word[3] != '_' || word[2] < '1' ||
        word[2] > static_cast<char>('0' + additional_ke_max)) {
        return Taken::unknown_word;
    }
    const auto index = static_cast<std::size_t>(word[2] - '1');
    return take_word(ke_words, word.substr(prefix), words.additional[index]);
}

Taken take(std::string_view word, Words& words) {
    for (const Taken taken :
         {take_word(encr_words, word, words.encr), take_word(integ_words, word, words.integ),
          take_word(prf_words, word, words.prf), take_word(ke_words, word, words.ke),
          take_word(sn_words, word, words.sn), take_additional(word, words)}) {
        if (taken != Taken::unknown_word) {
            return taken;
        }
    }
    return Taken::unknown_word;
}

std::string quoted(std::string_view word) {
    return "\"" + std::string(word) + "\"";
}

Result<Words> split(std::string_view text) {
    Words words;
    for (;;) {
        const std::size_t dash = text.find('-');
        const std::string_view word = text.substr(0, dash);
        const Taken taken = take(word, words);
        if (taken == Taken::unknown_word) {
            return fail("unknown word " + quoted(word));
        }
        if (taken == Taken::second_of_class) {
            return fail(quoted(word) + " is one too many of its kind");
        }
        if (dash == std::string_view::npos) {
            return words;
        }
        text.remove_prefix(dash + 1);
    }
}

Result<CipherSuite> cipher_of(const Words& words) {
    if (words.encr == nullptr) {
        return fail("it names no cipher");
    }
    const CipherSuite cipher{words.encr->id, words.encr->key_bits,
                             words.integ == nullptr ? IntegId::none : words.integ->id};
    if (supported(cipher)) {
        return cipher;
    }
    return fail(words.integ == nullptr
                    ? quoted(words.encr->word) + " needs an integrity word like \"sha256\""
                    : quoted(words.encr->word) + " brings its own integrity; leave out " +
                          quoted(words.integ->word));
}

Result<KeMethod> method_of(const Word<KeMethod>* row) {
    if (row == nullptr) {
        return KeMethod::none;
    }
    if (!supported(row->id)) {
        return fail(quoted(row->word) +
                    " is not in this build: build anyswan with OpenSSL 3.5, or where npm can get "
                    "PQClean (CMake warns when it can't)");
    }
    return row->id;
}

Result<AdditionalKe> read_additional(const Words& words) {
    AdditionalKe additional{};
    for (std::size_t i = 0; i < additional.size(); ++i) {
        const Word<KeMethod>* row = words.additional[i];
        const auto method = method_of(row);
        if (!method) {
            return Unexpected{method.error()};
        }
        if (row != nullptr &&
            std::find(additional.begin(), additional.end(), *method) != additional.end()) {
            return fail(quoted(row->word) + " comes twice among the additional key exchanges");
        }
        additional[i] = *method;
    }
    return additional;
}

/// What suites of both protocols have.
struct Common {
    Words words;
    CipherSuite cipher;
    KeMethod ke{};
    AdditionalKe additional{};
};

Result<Common> read_common(std::string_view text) {
    const auto words = split(text);
    if (!words) {
        return Unexpected{words.error()};
    }
    const auto cipher = cipher_of(*words);
    const auto ke = method_of(words->ke);
    const auto additional = read_additional(*words);
    for (const Error* error : {cipher ? nullptr : &cipher.error(), ke ? nullptr : &ke.error(),
                               additional ? nullptr : &additional.error()}) {
        if (error != nullptr) {
            return Unexpected{*error};
        }
    }
    return Common{*words, *cipher, *ke, *additional};
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

std::string to_string(const AdditionalKe& additional) {
    std::string text;
    for (std::size_t i = 0; i < additional.size(); ++i) {
        if (additional[i] != KeMethod::none) {
            text += "-ke" + std::to_string(i + 1) + "_" + word_of(ke_words, additional[i], "ke");
        }
    }
    return text;
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
    return text + "-" + word_of(ke_words, suite.ke, "ke") + to_string(suite.additional);
}

std::string to_string(const EspSuite& suite) {
    std::string text = to_string(suite.cipher);
    if (suite.ke != KeMethod::none) {
        text += "-" + word_of(ke_words, suite.ke, "ke");
    }
    text += to_string(suite.additional);
    if (suite.sn != SnId::sequential_32) {
        text += "-" + word_of(sn_words, suite.sn, "sn");
    }
    return text;
}

Result<IkeSuite> read_ike_suite(std::string_view text) {
    const auto read = read_common(text);
    if (!read) {
        return Unexpected{read.error()};
    }
    const Words& words = read->words;
    if (words.sn != nullptr) {
        return fail(quoted(words.sn->word) + " is for ESP suites");
    }
    if (read->cipher.encr == EncrId::null) {
        return fail(quoted(words.encr->word) + " is for ESP suites; IKE is always encrypted");
    }
    if (words.ke == nullptr) {
        return fail("it names no key exchange like \"x25519\"");
    }
    if (words.prf == nullptr && words.integ == nullptr) {
        return fail("it names no PRF like \"prfsha256\"");
    }
    return IkeSuite{read->cipher, words.prf != nullptr ? words.prf->id : words.integ->prf, read->ke,
                    read->additional};
}

Result<EspSuite> read_esp_suite(std::string_view text) {
    const auto read = read_common(text);
    if (!read) {
        return Unexpected{read.error()};
    }
    const Words& words = read->words;
    if (words.prf != nullptr) {
        return fail(quoted(words.prf->word) + " is for IKE suites");
    }
    // RFC 9370 2.2.4: additional key exchanges follow the one of Transform Type 4.
    if (words.ke == nullptr && read->additional != AdditionalKe{}) {
        return fail("additional key exchanges need a first one like \"x25519\"");
    }
    return EspSuite{read->cipher, words.sn == nullptr ? SnId::sequential_32 : words.sn->id,
                    read->ke, read->additional};
}

std::optional<IkeSuite> parse_ike_suite(std::string_view text) {
    const auto suite = read_ike_suite(text);
    return suite ? std::optional(*suite) : std::nullopt;
}

std::optional<EspSuite> parse_esp_suite(std::string_view text) {
    const auto suite = read_esp_suite(text);
    return suite ? std::optional(*suite) : std::nullopt;
}

}  // namespace anyswan::crypto
