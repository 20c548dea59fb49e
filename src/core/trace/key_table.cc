// SPDX-License-Identifier: Apache-2.0
// The key table of Wireshark (ikev2_decryption_table):
//   initiator SPI, responder SPI, SK_ei, SK_er, "encryption [RFC]", SK_ai, SK_ar, "integrity [RFC]"
#include <algorithm>

#include "core/trace/tracer.h"

namespace anyswan::trace {

namespace {

struct EncryptionName {
    std::string_view name;
    crypto::EncrId encr;
    std::uint16_t key_bits;
};
constexpr EncryptionName encryption_names[] = {
    {"AES-CBC-128", crypto::EncrId::aes_cbc, 128},
    {"AES-CBC-256", crypto::EncrId::aes_cbc, 256},
    {"AES-GCM-128 with 16 octet ICV", crypto::EncrId::aes_gcm_16, 128},
    {"AES-GCM-256 with 16 octet ICV", crypto::EncrId::aes_gcm_16, 256},
    {"CHACHA20-POLY1305", crypto::EncrId::chacha20_poly1305, 0},
};

struct IntegrityName {
    std::string_view name;
    crypto::IntegId integ;
};
constexpr IntegrityName integrity_names[] = {
    {"NONE", crypto::IntegId::none},
    {"HMAC_SHA1_96", crypto::IntegId::hmac_sha1_96},
    {"HMAC_SHA2_256_128", crypto::IntegId::hmac_sha2_256_128},
    {"HMAC_SHA2_384_192", crypto::IntegId::hmac_sha2_384_192},
    {"HMAC_SHA2_512_256", crypto::IntegId::hmac_sha2_512_256},
};

/// Comma-separated fields; quotation marks and what follows a '[' in a field (the RFC) are left
/// out.
std::vector<std::string> fields_of(std::string_view line) {
    std::vector<std::string> fields(1);
    bool in_reference = false;
    for (const char c : line) {
        if (c == ',') {
            fields.emplace_back();
            in_reference = false;
        } else if (c == '[') {
            in_reference = true;
        } else if (c != '"' && c != '\r' && !in_reference) {
            fields.back() += c;
        }
    }
    for (std::string& field : fields) {
        while (field.ends_with(' ')) {
            field.pop_back();
        }
        field.erase(0, field.find_first_not_of(' '));
    }
    return fields;
}

std::optional<IkeSpi> spi_of(const std::string& text) {
    const auto bytes = from_hex(text);
    return bytes && bytes->size() == 8 ? std::optional(IkeSpi(load_u64(*bytes))) : std::nullopt;
}

bool read_key(const std::string& text, std::size_t size, Secret& key) {
    auto bytes = from_hex(text);
    if (!bytes || bytes->size() != size) {
        return false;
    }
    key = Secret(std::move(*bytes));
    return true;
}

std::optional<crypto::CipherSuite> cipher_of(const std::string& encryption,
                                             const std::string& integrity) {
    const auto* encr = std::ranges::find(encryption_names, encryption, &EncryptionName::name);
    const auto* integ = std::ranges::find(integrity_names, integrity, &IntegrityName::name);
    if (encr == std::end(encryption_names) || integ == std::end(integrity_names)) {
        return std::nullopt;
    }
    const crypto::CipherSuite suite{encr->encr, encr->key_bits, integ->integ};
    return crypto::supported(suite) ? std::optional(suite) : std::nullopt;
}

Result<std::pair<ike::SpiPair, ike::MessageKeys>> read_line(std::string_view line) {
    const std::vector<std::string> fields = fields_of(line);
    constexpr std::size_t field_count = 8;
    if (fields.size() != field_count) {
        return fail("has " + std::to_string(fields.size()) + " fields instead of 8");
    }
    const auto initiator = spi_of(fields[0]);
    const auto responder = spi_of(fields[1]);
    if (!initiator || !responder) {
        return fail("begins with something else than two SPIs of 16 hexadecimal digits");
    }
    const auto cipher = cipher_of(fields[4], fields[7]);
    if (!cipher) {
        return fail("names algorithms that are not known here: \"" + fields[4] + "\" with \"" +
                    fields[7] + "\"");
    }
    ike::MessageKeys keys{*cipher, {}, {}, {}, {}};
    const std::size_t encr = crypto::encr_key_size(*cipher);
    const std::size_t integ = crypto::integ_key_size(*cipher);
    if (!read_key(fields[2], encr, keys.sk_ei) || !read_key(fields[3], encr, keys.sk_er) ||
        !read_key(fields[5], integ, keys.sk_ai) || !read_key(fields[6], integ, keys.sk_ar)) {
        return fail("has keys that don't fit its algorithms");
    }
    return std::pair(ike::SpiPair{*initiator, *responder}, std::move(keys));
}

}  // namespace

Result<KeyTable> read_key_table(std::string_view text) {
    KeyTable table;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#' || line == "\r") {
            continue;
        }
        auto read = read_line(line);
        if (!read) {
            return fail("line " + std::to_string(number) + " " + read.error().message);
        }
        table.insert_or_assign(read->first, std::move(read->second));
    }
    return table;
}

}  // namespace anyswan::trace
