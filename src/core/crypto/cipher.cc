// SPDX-License-Identifier: Apache-2.0
// Packet ciphers: AES-GCM (RFC 4106), ChaCha20-Poly1305 (RFC 7634), and AES-CBC with an HMAC (RFC
// 3602, RFC 4868), for IKE's SK payload and for ESP alike; for ESP also an HMAC alone (RFC 2410).
//
// This is the hot path of the userspace dataplane: keys are scheduled once, per packet only the IV
// changes, and nothing of ours allocates.
#include <algorithm>
#include <array>
#include <climits>

#include "core/crypto/hmac.h"

namespace anyswan::crypto {

namespace {

constexpr std::size_t salt_size = 4;
constexpr std::size_t aead_iv_size = 8;
constexpr std::size_t aead_icv_size = 16;

// The values of EVP_CipherInit's `enc`.
constexpr int decrypting = 0;
constexpr int encrypting = 1;

const EVP_CIPHER* algorithm_of(const CipherSuite& suite) {
    if (suite.encr == EncrId::chacha20_poly1305) {
        return EVP_chacha20_poly1305();
    }
    const bool gcm = suite.encr == EncrId::aes_gcm_16;
    switch (suite.key_bits) {
        case 128:
            return gcm ? EVP_aes_128_gcm() : EVP_aes_128_cbc();
        case 192:
            return gcm ? EVP_aes_192_gcm() : EVP_aes_192_cbc();
        default:
            return gcm ? EVP_aes_256_gcm() : EVP_aes_256_cbc();
    }
}

/// Feeds `in` to the cipher; `out` null: as associated data. False: the library failed.
bool update(EVP_CIPHER_CTX* ctx, std::uint8_t* out, ByteView in) {
    check(in.size() <= INT_MAX, "a packet of more than 2 GB");
    int written = 0;
    return in.empty() ||
           EVP_CipherUpdate(ctx, out, &written, in.data(), static_cast<int>(in.size())) == 1;
}

class AeadCipher final : public Cipher {
public:
    AeadCipher(CipherCtx ctx, ByteView salt) : ctx_(std::move(ctx)) {
        std::copy(salt.begin(), salt.end(), nonce_.begin());
    }
    ~AeadCipher() override { wipe(nonce_); }
    AeadCipher(const AeadCipher&) = delete;
    AeadCipher& operator=(const AeadCipher&) = delete;

    void seal(ByteView iv, ByteView aad, ByteView trailer, MutableBytes text,
              MutableBytes icv) override {
        check(icv.size() == aead_icv_size, "ICV size");
        begin(iv, aad, trailer, encrypting);
        int ignored = 0;
        const bool ok =
            update(ctx_.get(), text.data(), text) &&
            EVP_CipherFinal_ex(ctx_.get(), icv.data(), &ignored) == 1 &&
            EVP_CIPHER_CTX_ctrl(ctx_.get(), EVP_CTRL_AEAD_GET_TAG, aead_icv_size, icv.data()) == 1;
        check(ok, "AEAD encryption failed");
    }

    bool open(ByteView iv, ByteView aad, ByteView trailer, MutableBytes text,
              ByteView icv) override {
        check(icv.size() == aead_icv_size, "ICV size");
        begin(iv, aad, trailer, decrypting);
        std::array<std::uint8_t, aead_icv_size> tag{};
        std::copy(icv.begin(), icv.end(), tag.begin());
        check(
            EVP_CIPHER_CTX_ctrl(ctx_.get(), EVP_CTRL_AEAD_SET_TAG, aead_icv_size, tag.data()) == 1,
            "AEAD tag refused");
        int ignored = 0;
        // The final step compares the tag, in constant time, and fails if it is wrong.
        return update(ctx_.get(), text.data(), text) &&
               EVP_CipherFinal_ex(ctx_.get(), tag.data(), &ignored) == 1;
    }

private:
    /// RFC 4106 4, RFC 7634 2: the nonce is the four-octet salt and the eight-octet IV.
    void begin(ByteView iv, ByteView aad, ByteView trailer, int direction) {
        check(iv.size() == aead_iv_size, "IV size");
        check(trailer.empty(), "an AEAD has no trailer");
        std::copy(iv.begin(), iv.end(), nonce_.begin() + salt_size);
        const bool ok = EVP_CipherInit_ex(ctx_.get(), nullptr, nullptr, nullptr, nonce_.data(),
                                          direction) == 1 &&
                        update(ctx_.get(), nullptr, aad);
        check(ok, "AEAD set-up failed");
    }

    CipherCtx ctx_;
    std::array<std::uint8_t, salt_size + aead_iv_size> nonce_{};
};

class CbcHmacCipher final : public Cipher {
public:
    CbcHmacCipher(CipherCtx encrypt, CipherCtx decrypt, Hmac hmac, std::size_t icv_size)
        : encrypt_(std::move(encrypt)),
          decrypt_(std::move(decrypt)),
          hmac_(std::move(hmac)),
          icv_size_(icv_size) {}

    void seal(ByteView iv, ByteView aad, ByteView trailer, MutableBytes text,
              MutableBytes icv) override {
        check(icv.size() == icv_size_, "ICV size");
        run(encrypt_.get(), encrypting, iv, text);
        std::array<std::uint8_t, max_hmac_size> mac{};
        hmac_.compute({aad, iv, text, trailer}, mac);
        std::copy_n(mac.begin(), icv_size_, icv.begin());
    }

    bool open(ByteView iv, ByteView aad, ByteView trailer, MutableBytes text,
              ByteView icv) override {
        check(icv.size() == icv_size_, "ICV size");
        std::array<std::uint8_t, max_hmac_size> mac{};
        hmac_.compute({aad, iv, text, trailer}, mac);
        if (!constant_time_equal(ByteView(mac).first(icv_size_), icv)) {
            return false;
        }
        run(decrypt_.get(), decrypting, iv, text);
        return true;
    }

private:
    static constexpr std::size_t block = 16;

    static void run(EVP_CIPHER_CTX* ctx, int direction, ByteView iv, MutableBytes text) {
        check(iv.size() == block, "IV size");
        check(text.size() % block == 0, "CBC text is not a whole number of blocks");
        const bool ok =
            EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, iv.data(), direction) == 1 &&
            update(ctx, text.data(), text);
        check(ok, "CBC failed");
    }

    CipherCtx encrypt_;
    CipherCtx decrypt_;
    Hmac hmac_;
    std::size_t icv_size_;
};

/// RFC 2410: "the NULL encryption algorithm ... does nothing to alter plaintext data".
class NullHmacCipher final : public Cipher {
public:
    NullHmacCipher(Hmac hmac, std::size_t icv_size) : hmac_(std::move(hmac)), icv_size_(icv_size) {}

    void seal(ByteView iv, ByteView aad, ByteView trailer, MutableBytes text,
              MutableBytes icv) override {
        check(iv.empty(), "IV size");
        check(icv.size() == icv_size_, "ICV size");
        std::copy_n(authenticate(aad, text, trailer).begin(), icv_size_, icv.begin());
    }

    bool open(ByteView iv, ByteView aad, ByteView trailer, MutableBytes text,
              ByteView icv) override {
        check(iv.empty(), "IV size");
        check(icv.size() == icv_size_, "ICV size");
        const auto mac = authenticate(aad, text, trailer);
        return constant_time_equal(ByteView(mac).first(icv_size_), icv);
    }

private:
    std::array<std::uint8_t, max_hmac_size> authenticate(ByteView aad, ByteView text,
                                                         ByteView trailer) {
        std::array<std::uint8_t, max_hmac_size> mac{};
        hmac_.compute({aad, text, trailer}, mac);
        return mac;
    }

    Hmac hmac_;
    std::size_t icv_size_;
};

CipherCtx keyed_context(const CipherSuite& suite, ByteView key, int direction) {
    CipherCtx ctx(EVP_CIPHER_CTX_new());
    if (ctx == nullptr || EVP_CipherInit_ex(ctx.get(), algorithm_of(suite), nullptr, key.data(),
                                            nullptr, direction) != 1) {
        return nullptr;
    }
    EVP_CIPHER_CTX_set_padding(ctx.get(), 0);  // ESP and IKE pad by themselves
    return ctx;
}

}  // namespace

Expected<std::unique_ptr<Cipher>, CryptoError> Cipher::make(const CipherSuite& suite,
                                                            ByteView encr_key, ByteView integ_key) {
    if (!supported(suite)) {
        return Unexpected{CryptoError::unsupported};
    }
    check(encr_key.size() == encr_key_size(suite), "encryption key size");
    check(integ_key.size() == integ_key_size(suite), "integrity key size");
    if (is_aead(suite.encr)) {
        const std::size_t key_size = encr_key.size() - salt_size;
        CipherCtx ctx = keyed_context(suite, encr_key.first(key_size), encrypting);
        if (ctx == nullptr) {
            return Unexpected{CryptoError::library};
        }
        return std::unique_ptr<Cipher>(
            std::make_unique<AeadCipher>(std::move(ctx), encr_key.last(salt_size)));
    }
    std::optional<Hmac> hmac = Hmac::make(digest_name(suite.integ), integ_key);
    if (!hmac) {
        return Unexpected{CryptoError::library};
    }
    if (suite.encr == EncrId::null) {
        return std::unique_ptr<Cipher>(
            std::make_unique<NullHmacCipher>(std::move(*hmac), icv_size(suite)));
    }
    CipherCtx encrypt = keyed_context(suite, encr_key, encrypting);
    CipherCtx decrypt = keyed_context(suite, encr_key, decrypting);
    if (encrypt == nullptr || decrypt == nullptr) {
        return Unexpected{CryptoError::library};
    }
    return std::unique_ptr<Cipher>(std::make_unique<CbcHmacCipher>(
        std::move(encrypt), std::move(decrypt), std::move(*hmac), icv_size(suite)));
}

}  // namespace anyswan::crypto
