// SPDX-License-Identifier: Apache-2.0
// Signing, verifying and private keys.
#include "core/crypto/signature.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/crypto/openssl_handles.h"

namespace anyswan::crypto {

namespace {

using EcdsaSignature = std::unique_ptr<ECDSA_SIG, OpensslFree<ECDSA_SIG_free>>;
using Pkcs8 = std::unique_ptr<PKCS8_PRIV_KEY_INFO, OpensslFree<PKCS8_PRIV_KEY_INFO_free>>;

/// Nothing for identity: the algorithm hashes by itself.
const char* digest_of(HashId hash) {
    switch (hash) {
        case HashId::sha1:
            return "SHA1";
        case HashId::sha2_256:
            return "SHA2-256";
        case HashId::sha2_384:
            return "SHA2-384";
        case HashId::sha2_512:
            return "SHA2-512";
        case HashId::identity:
            break;
    }
    return nullptr;
}

bool fits(SignatureScheme scheme, KeyKind kind) {
    switch (scheme) {
        case SignatureScheme::rsa_pkcs1:
        case SignatureScheme::rsa_pss:
            return kind == KeyKind::rsa;
        case SignatureScheme::ecdsa:
            return kind == KeyKind::ecdsa_p256 || kind == KeyKind::ecdsa_p384 ||
                   kind == KeyKind::ecdsa_p521;
        case SignatureScheme::ed25519:
            return kind == KeyKind::ed25519;
    }
    return false;
}

bool runnable(const SignatureAlgorithm& algorithm, KeyKind kind) {
    const bool hashes = algorithm.scheme != SignatureScheme::ed25519;
    return fits(algorithm.scheme, kind) && hashes == (digest_of(algorithm.hash) != nullptr);
}

bool set_padding(EVP_PKEY_CTX* ctx, const SignatureAlgorithm& algorithm) {
    switch (algorithm.scheme) {
        case SignatureScheme::rsa_pkcs1:
            return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
        case SignatureScheme::rsa_pss:
            return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, algorithm.salt_size) == 1;
        case SignatureScheme::ecdsa:
        case SignatureScheme::ed25519:
            return true;
    }
    return false;
}

std::shared_ptr<evp_pkey_st> shared(EVP_PKEY* key) {
    return {key, EVP_PKEY_free};
}

std::size_t order_size(KeyKind kind) {
    switch (kind) {
        case KeyKind::ecdsa_p256:
            return 32;
        case KeyKind::ecdsa_p384:
            return 48;
        case KeyKind::ecdsa_p521:
            return 66;
        default:
            return 0;
    }
}

KeyKind curve_of(const EVP_PKEY* key) {
    std::array<char, 64> group{};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) {
        return KeyKind::other;
    }
    const std::string_view name(group.data(), size);
    return name == "prime256v1"  ? KeyKind::ecdsa_p256
           : name == "secp384r1" ? KeyKind::ecdsa_p384
           : name == "secp521r1" ? KeyKind::ecdsa_p521
                                 : KeyKind::other;
}

/// Refuses instead of asking a terminal.
int no_passphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

}  // namespace

const char* name(KeyKind kind) {
    switch (kind) {
        case KeyKind::rsa:
            return "RSA";
        case KeyKind::ecdsa_p256:
            return "ECDSA P-256";
        case KeyKind::ecdsa_p384:
            return "ECDSA P-384";
        case KeyKind::ecdsa_p521:
            return "ECDSA P-521";
        case KeyKind::ed25519:
            return "Ed25519";
        case KeyKind::other:
            break;
    }
    return "an unsupported kind";
}

std::optional<PublicKey> PublicKey::from_der(ByteView spki) {
    const unsigned char* at = spki.data();
    auto key = shared(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
    if (key == nullptr || at != spki.data() + spki.size()) {
        return std::nullopt;
    }
    return PublicKey(std::move(key));
}

KeyKind PublicKey::kind() const {
    switch (EVP_PKEY_get_base_id(key_.get())) {
        case EVP_PKEY_RSA:
        case EVP_PKEY_RSA_PSS:
            return KeyKind::rsa;
        case EVP_PKEY_EC:
            return curve_of(key_.get());
        case EVP_PKEY_ED25519:
            return KeyKind::ed25519;
        default:
            return KeyKind::other;
    }
}

unsigned PublicKey::bits() const {
    return static_cast<unsigned>(EVP_PKEY_get_bits(key_.get()));
}

bool PublicKey::verify(const SignatureAlgorithm& algorithm, ByteView data,
                       ByteView signature) const {
    if (!runnable(algorithm, kind())) {
        return false;
    }
    const DigestCtx ctx(EVP_MD_CTX_new());
    EVP_PKEY_CTX* options = nullptr;  // owned by ctx
    return ctx != nullptr &&
           EVP_DigestVerifyInit_ex(ctx.get(), &options, digest_of(algorithm.hash), nullptr, nullptr,
                                   key_.get(), nullptr) == 1 &&
           set_padding(options, algorithm) &&
           EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), data.data(),
                            data.size()) == 1;
}

Expected<PrivateKey, std::string> PrivateKey::parse(ByteView text) {
    const std::unique_ptr<BIO, OpensslFree<BIO_free>> in(
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    check(in != nullptr, "memory for a key");
    bool asked = false;
    std::shared_ptr<evp_pkey_st> key;
    if (EVP_PKEY* pem = PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, &asked)) {
        key = shared(pem);
    } else {
        const unsigned char* at = text.data();
        if (EVP_PKEY* der = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(text.size()))) {
            key = shared(der);
        }
    }
    if (asked) {
        return Unexpected{std::string(
            "is encrypted with a passphrase; write it without: openssl pkey -in FILE -out FILE2")};
    }
    if (key == nullptr) {
        return Unexpected{
            std::string("has no private key in PEM or DER form; it begins with "
                        "\"-----BEGIN PRIVATE KEY-----\"")};
    }
    PrivateKey parsed(std::move(key));
    if (parsed.kind() == KeyKind::other) {
        return Unexpected{std::string(
            "is of an unsupported kind; make it RSA, ECDSA P-256, P-384 or P-521, or Ed25519")};
    }
    return parsed;
}

bool PrivateKey::belongs_to(const PublicKey& key) const {
    return EVP_PKEY_eq(key_.get(), key.handle()) == 1;
}

Secret PrivateKey::to_der() const {
    const Pkcs8 info(EVP_PKEY2PKCS8(key_.get()));
    check(info != nullptr, "a private key that can't be encoded");
    const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr);
    check(size > 0, "a private key that can't be encoded");
    Secret der(static_cast<std::size_t>(size));
    unsigned char* at = der.writable().data();
    i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at);
    return der;
}

Expected<Bytes, CryptoError> PrivateKey::sign(const SignatureAlgorithm& algorithm,
                                              ByteView data) const {
    if (!runnable(algorithm, kind())) {
        return Unexpected{CryptoError::unsupported};
    }
    const DigestCtx ctx(EVP_MD_CTX_new());
    EVP_PKEY_CTX* options = nullptr;
    std::size_t size = 0;
    if (ctx == nullptr ||
        EVP_DigestSignInit_ex(ctx.get(), &options, digest_of(algorithm.hash), nullptr, nullptr,
                              key_.get(), nullptr) != 1 ||
        !set_padding(options, algorithm) ||
        EVP_DigestSign(ctx.get(), nullptr, &size, data.data(), data.size()) != 1) {
        return Unexpected{CryptoError::library};
    }
    Bytes signature(size);
    if (EVP_DigestSign(ctx.get(), signature.data(), &size, data.data(), data.size()) != 1) {
        return Unexpected{CryptoError::library};
    }
    signature.resize(size);
    return signature;
}

std::optional<Bytes> ecdsa_raw(ByteView der, KeyKind kind) {
    const std::size_t size = order_size(kind);
    const unsigned char* at = der.data();
    const EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
    if (size == 0 || signature == nullptr) {
        return std::nullopt;
    }
    Bytes raw(2 * size);
    const int half = static_cast<int>(size);
    if (BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), half) != half ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + size, half) != half) {
        return std::nullopt;
    }
    return raw;
}

std::optional<Bytes> ecdsa_der(ByteView raw, KeyKind kind) {
    const std::size_t size = order_size(kind);
    if (size == 0 || raw.size() != 2 * size) {
        return std::nullopt;
    }
    const EcdsaSignature signature(ECDSA_SIG_new());
    BigNumber r(BN_bin2bn(raw.data(), static_cast<int>(size), nullptr));
    BigNumber s(BN_bin2bn(raw.data() + size, static_cast<int>(size), nullptr));
    if (signature == nullptr || r == nullptr || s == nullptr ||
        ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
        return std::nullopt;
    }
    (void)r.release();  // the signature owns both now
    (void)s.release();
    const int der_size = i2d_ECDSA_SIG(signature.get(), nullptr);
    Bytes der(static_cast<std::size_t>(std::max(der_size, 0)));
    unsigned char* at = der.data();
    return i2d_ECDSA_SIG(signature.get(), &at) > 0 ? std::optional(std::move(der)) : std::nullopt;
}

}  // namespace anyswan::crypto
