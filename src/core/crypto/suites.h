// SPDX-License-Identifier: Apache-2.0
// Which algorithms an SA uses, and the sizes that follow from them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/wire/ike/registry.h"

namespace anyswan::crypto {

using wire::ike::EncrId;
using wire::ike::IntegId;
using wire::ike::KeMethod;
using wire::ike::PrfId;
using wire::ike::SnId;

/// A cipher with its integrity: AEAD (integ none), or CBC with an HMAC; in ESP also an HMAC alone
/// (ENCR_NULL).
struct CipherSuite {
    EncrId encr = EncrId::aes_gcm_16;
    std::uint16_t key_bits = 256;  // as the Key Length attribute: 0 where there is none
    IntegId integ = IntegId::none;
    bool operator==(const CipherSuite&) const = default;
};

/// Additional Key Exchanges 1 to 7 (RFC 9370), Transform Types 6 to 12; none: no such exchange. One
/// that is optional takes two suites, with and without it.
inline constexpr std::size_t additional_ke_max = 7;
using AdditionalKe = std::array<KeMethod, additional_ke_max>;

struct IkeSuite {
    CipherSuite cipher;
    PrfId prf = PrfId::hmac_sha2_256;
    KeMethod ke = KeMethod::curve25519;
    AdditionalKe additional{};
    bool operator==(const IkeSuite&) const = default;
};

struct EspSuite {
    CipherSuite cipher;
    SnId sn = SnId::sequential_32;
    KeMethod ke = KeMethod::none;  // PFS in CREATE_CHILD_SA; none for the first Child SA
    AdditionalKe additional{};     // likewise
    [[nodiscard]] bool esn() const { return sn == SnId::partially_transmitted_64; }
    bool operator==(const EspSuite&) const = default;
};

[[nodiscard]] bool is_aead(EncrId encr);
/// Whether this build can run the cipher at all (known ids, right key length, integ where needed).
[[nodiscard]] bool supported(const CipherSuite& suite);
[[nodiscard]] bool supported(PrfId prf);
[[nodiscard]] bool supported(KeMethod method);
/// All of it: also that no additional method comes twice, which RFC 9370 2.2.1 forbids.
[[nodiscard]] bool supported(const IkeSuite& suite);
[[nodiscard]] bool supported(const EspSuite& suite);
/// The methods to be run after the first, in order.
[[nodiscard]] std::vector<KeMethod> additional_of(const AdditionalKe& additional);

// Sizes in bytes, of supported algorithms (checked).
[[nodiscard]] std::size_t encr_key_size(const CipherSuite& suite);  // with the 4-byte salt of AEADs
[[nodiscard]] std::size_t integ_key_size(const CipherSuite& suite);
[[nodiscard]] std::size_t iv_size(const CipherSuite& suite);  // on the wire: 8 AEAD, 16 CBC, 0 null
[[nodiscard]] std::size_t icv_size(const CipherSuite& suite);
[[nodiscard]] std::size_t block_size(const CipherSuite& suite);  // of the padding: 16 CBC, else 1
[[nodiscard]] std::size_t prf_key_size(PrfId prf);
[[nodiscard]] std::size_t prf_output_size(PrfId prf);

// "aes128gcm16", "aes256-sha256", "chacha20poly1305" - the words of tunnel configuration.
[[nodiscard]] std::string to_string(const CipherSuite& suite);
[[nodiscard]] std::string to_string(
    const IkeSuite& suite);  // "aes256gcm16-prfsha384-x25519-ke1_mlkem768"
[[nodiscard]] std::string to_string(const EspSuite& suite);  // "aes128gcm16-esn"
[[nodiscard]] std::optional<IkeSuite> parse_ike_suite(std::string_view text);
[[nodiscard]] std::optional<EspSuite> parse_esp_suite(std::string_view text);
/// The same; the failure names the word that is wrong or what is missing.
[[nodiscard]] Result<IkeSuite> read_ike_suite(std::string_view text);
[[nodiscard]] Result<EspSuite> read_esp_suite(std::string_view text);

}  // namespace anyswan::crypto
