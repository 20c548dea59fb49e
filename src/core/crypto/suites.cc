// SPDX-License-Identifier: Apache-2.0
// The algorithms this build can run and their sizes: RFC 4106 and RFC 7634 for the AEADs, RFC 3602
// for AES-CBC, RFC 2410 for no encryption, RFC 2404 and RFC 4868 for the HMACs. One row per
// algorithm; all else follows.
#include "core/crypto/suites.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/check.h"

namespace anyswan::crypto {

namespace {

/// RFC 4106 8.1 and RFC 7634 2: KEYMAT holds the cipher's key and, after it, a 4-byte salt.
constexpr std::size_t salt_size = 4;
constexpr std::size_t aead_icv_size = 16;

struct IntegRow {
    IntegId id;
    std::size_t key;
    std::size_t icv;
};
constexpr std::array integ_rows{
    IntegRow{IntegId::hmac_sha1_96, 20, 12},
    IntegRow{IntegId::hmac_sha2_256_128, 32, 16},
    IntegRow{IntegId::hmac_sha2_384_192, 48, 24},
    IntegRow{IntegId::hmac_sha2_512_256, 64, 32},
};

const IntegRow* find_integ(IntegId id) {
    for (const IntegRow& row : integ_rows) {
        if (row.id == id) {
            return &row;
        }
    }
    return nullptr;
}

/// 0: not an algorithm of this build.
std::size_t prf_size(PrfId prf) {
    switch (prf) {
        case PrfId::hmac_sha1:
            return 20;
        case PrfId::hmac_sha2_256:
            return 32;
        case PrfId::hmac_sha2_384:
            return 48;
        case PrfId::hmac_sha2_512:
            return 64;
        case PrfId::none:
            break;
    }
    return 0;
}

bool is_aes_key(std::uint16_t bits) {
    return bits == 128 || bits == 192 || bits == 256;
}

bool supported_once_each(const std::vector<KeMethod>& methods) {
    return std::all_of(methods.begin(), methods.end(), [&methods](KeMethod method) {
        return supported(method) && std::count(methods.begin(), methods.end(), method) == 1;
    });
}

}  // namespace

bool is_aead(EncrId encr) {
    return encr == EncrId::aes_gcm_16 || encr == EncrId::chacha20_poly1305;
}

bool supported(const CipherSuite& suite) {
    switch (suite.encr) {
        case EncrId::aes_gcm_16:
            return is_aes_key(suite.key_bits) && suite.integ == IntegId::none;
        case EncrId::chacha20_poly1305:
            return suite.key_bits == 0 && suite.integ == IntegId::none;
        case EncrId::aes_cbc:
            return is_aes_key(suite.key_bits) && find_integ(suite.integ) != nullptr;
        case EncrId::null:
            return suite.key_bits == 0 && find_integ(suite.integ) != nullptr;
        default:
            return false;
    }
}

bool supported(PrfId prf) {
    return prf_size(prf) != 0;
}

bool supported(const IkeSuite& suite) {
    // Identities and keys travel inside: an IKE SA without encryption is none.
    return suite.cipher.encr != EncrId::null && supported(suite.cipher) && supported(suite.prf) &&
           supported(suite.ke) && supported_once_each(additional_of(suite.additional));
}

bool supported(const EspSuite& suite) {
    return supported(suite.cipher) && (suite.ke == KeMethod::none || supported(suite.ke)) &&
           supported_once_each(additional_of(suite.additional));
}

std::vector<KeMethod> additional_of(const AdditionalKe& additional) {
    std::vector<KeMethod> methods;
    std::copy_if(additional.begin(), additional.end(), std::back_inserter(methods),
                 [](KeMethod method) { return method != KeMethod::none; });
    return methods;
}

std::size_t encr_key_size(const CipherSuite& suite) {
    check(supported(suite), "key size of an unsupported cipher");
    if (suite.encr == EncrId::chacha20_poly1305) {
        return 32 + salt_size;
    }
    return std::size_t{suite.key_bits} / 8 + (is_aead(suite.encr) ? salt_size : 0);
}

std::size_t integ_key_size(const CipherSuite& suite) {
    check(supported(suite), "key size of an unsupported cipher");
    const IntegRow* row = find_integ(suite.integ);
    return row == nullptr ? 0 : row->key;
}

std::size_t iv_size(const CipherSuite& suite) {
    check(supported(suite), "IV size of an unsupported cipher");
    if (suite.encr == EncrId::null) {
        return 0;  // RFC 2410 2.2
    }
    return is_aead(suite.encr) ? 8 : 16;
}

std::size_t icv_size(const CipherSuite& suite) {
    check(supported(suite), "ICV size of an unsupported cipher");
    const IntegRow* row = find_integ(suite.integ);
    return row == nullptr ? aead_icv_size : row->icv;
}

std::size_t block_size(const CipherSuite& suite) {
    check(supported(suite), "block size of an unsupported cipher");
    return is_aead(suite.encr) || suite.encr == EncrId::null ? 1 : 16;
}

// RFC 7296 2.13: "For PRFs based on the HMAC construction, the preferred key size is equal to the
// length of the output of the underlying hash function."
std::size_t prf_key_size(PrfId prf) {
    return prf_output_size(prf);
}

std::size_t prf_output_size(PrfId prf) {
    check(supported(prf), "size of an unsupported PRF");
    return prf_size(prf);
}

}  // namespace anyswan::crypto
