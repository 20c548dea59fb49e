// SPDX-License-Identifier: Apache-2.0
// HMAC, prf and prf+ (RFC 7296 2.13), and the two plain hashes.
#include <openssl/core_names.h>

#include <algorithm>

#include "core/crypto/hmac.h"

namespace anyswan::crypto {

const char* name(CryptoError error) {
    switch (error) {
        case CryptoError::bad_public_value:
            return "bad_public_value";
        case CryptoError::bad_shared_secret:
            return "bad_shared_secret";
        case CryptoError::unsupported:
            return "unsupported";
        case CryptoError::library:
            return "library";
    }
    return "unknown";
}

const char* digest_name(PrfId prf) {
    switch (prf) {
        case PrfId::hmac_sha1:
            return "SHA1";
        case PrfId::hmac_sha2_256:
            return "SHA2-256";
        case PrfId::hmac_sha2_384:
            return "SHA2-384";
        case PrfId::hmac_sha2_512:
            return "SHA2-512";
        case PrfId::none:
            break;
    }
    check(false, "digest of an unsupported PRF");
    return nullptr;
}

const char* digest_name(IntegId integ) {
    switch (integ) {
        case IntegId::hmac_sha1_96:
            return "SHA1";
        case IntegId::hmac_sha2_256_128:
            return "SHA2-256";
        case IntegId::hmac_sha2_384_192:
            return "SHA2-384";
        case IntegId::hmac_sha2_512_256:
            return "SHA2-512";
        case IntegId::none:
            break;
    }
    check(false, "digest of an unsupported integrity algorithm");
    return nullptr;
}

std::optional<Hmac> Hmac::make(const char* digest, ByteView key) {
    const MacAlgorithm hmac(EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr));
    MacCtx ctx(hmac == nullptr ? nullptr : EVP_MAC_CTX_new(hmac.get()));
    if (ctx == nullptr) {
        return std::nullopt;
    }
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(digest), 0),
        OSSL_PARAM_construct_end(),
    };
    // A null pointer would mean "keep the key"; an empty key is a key (RFC 2104: padded with
    // zeros).
    const std::uint8_t empty = 0;
    const std::uint8_t* bytes = key.empty() ? &empty : key.data();
    if (EVP_MAC_init(ctx.get(), bytes, key.size(), params) != 1) {
        return std::nullopt;
    }
    return Hmac(std::move(ctx));
}

std::size_t Hmac::compute(std::initializer_list<ByteView> parts, MutableBytes out) {
    check(out.size() >= max_hmac_size, "no room for the HMAC");
    // No key: start again with the one set up by make().
    bool ok = EVP_MAC_init(ctx_.get(), nullptr, 0, nullptr) == 1;
    for (const ByteView part : parts) {
        ok = ok && (part.empty() || EVP_MAC_update(ctx_.get(), part.data(), part.size()) == 1);
    }
    std::size_t written = 0;
    ok = ok && EVP_MAC_final(ctx_.get(), out.data(), &written, out.size()) == 1;
    check(ok, "HMAC failed");
    return written;
}

namespace {

Hmac keyed(PrfId prf, ByteView key) {
    std::optional<Hmac> hmac = Hmac::make(digest_name(prf), key);
    check(hmac.has_value(), "the cryptographic library has no HMAC");
    return std::move(*hmac);
}

Bytes digest(const EVP_MD* algorithm, std::initializer_list<ByteView> data) {
    const DigestCtx ctx(EVP_MD_CTX_new());
    bool ok = ctx != nullptr && EVP_DigestInit_ex(ctx.get(), algorithm, nullptr) == 1;
    for (const ByteView part : data) {
        ok = ok && EVP_DigestUpdate(ctx.get(), part.data(), part.size()) == 1;
    }
    Bytes out(static_cast<std::size_t>(EVP_MD_get_size(algorithm)));
    ok = ok && EVP_DigestFinal_ex(ctx.get(), out.data(), nullptr) == 1;
    check(ok, "hash failed");
    return out;
}

}  // namespace

Secret prf(PrfId prf, ByteView key, std::initializer_list<ByteView> data) {
    Secret buffer(max_hmac_size);
    const std::size_t size = keyed(prf, key).compute(data, buffer.writable());
    return Secret::copy_of(buffer.reveal().first(size));
}

Secret prf_plus(PrfId prf, ByteView key, ByteView seed, std::size_t size) {
    const std::size_t block = prf_output_size(prf);
    check(size <= 255 * block, "prf+ is defined for at most 255 outputs");
    Hmac hmac = keyed(prf, key);
    Secret out(size);
    Secret last(max_hmac_size);
    std::size_t last_size = 0;
    std::uint8_t number = 0;
    for (std::size_t done = 0; done < size; done += block) {
        // T1 = prf (K, S | 0x01), T2 = prf (K, T1 | S | 0x02), T3 = prf (K, T2 | S | 0x03) ...
        number = static_cast<std::uint8_t>(number + 1);
        last_size = hmac.compute({last.reveal().first(last_size), seed, ByteView(&number, 1)},
                                 last.writable());
        const std::size_t wanted = std::min(block, size - done);
        std::copy_n(last.reveal().begin(), wanted,
                    out.writable().begin() + static_cast<std::ptrdiff_t>(done));
    }
    return out;
}

Bytes sha1(std::initializer_list<ByteView> data) {
    return digest(EVP_sha1(), data);
}

Bytes sha256(std::initializer_list<ByteView> data) {
    return digest(EVP_sha256(), data);
}

}  // namespace anyswan::crypto
