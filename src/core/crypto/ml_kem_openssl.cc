// SPDX-License-Identifier: Apache-2.0
// ML-KEM by OpenSSL, which has it from 3.5 on.
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "core/crypto/ml_kem.h"
#include "core/crypto/openssl_handles.h"

namespace anyswan::crypto::ml_kem {

namespace {

const char* algorithm_of(KeMethod method) {
    switch (method) {
        case KeMethod::ml_kem_512:
            return "ML-KEM-512";
        case KeMethod::ml_kem_768:
            return "ML-KEM-768";
        default:
            return "ML-KEM-1024";
    }
}

/// The library takes what it only reads through pointers that aren't const.
OSSL_PARAM octets(const char* name, ByteView bytes) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(bytes.data()),
                                             bytes.size());
}

Pkey from_seed(KeMethod method, ByteView seed) {
    const PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, algorithm_of(method), nullptr));
    OSSL_PARAM params[] = {octets(OSSL_PKEY_PARAM_ML_KEM_SEED, seed), OSSL_PARAM_construct_end()};
    EVP_PKEY* key = nullptr;
    if (ctx == nullptr || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEYPAIR, params) != 1) {
        return nullptr;
    }
    return Pkey(key);
}

}  // namespace

bool available() {
    return true;
}

std::optional<KeyPair> key_pair(KeMethod method, ByteView seed) {
    const Sizes sizes = sizes_of(method);
    check(seed.size() == seed_size, "ML-KEM seed size");
    const Pkey key = from_seed(method, seed);
    KeyPair keys{Bytes(sizes.encapsulation_key), Secret(sizes.decapsulation_key)};
    std::size_t public_size = keys.encapsulation_key.size();
    std::size_t private_size = keys.decapsulation_key.size();
    if (key == nullptr ||
        EVP_PKEY_get_raw_public_key(key.get(), keys.encapsulation_key.data(), &public_size) != 1 ||
        EVP_PKEY_get_raw_private_key(key.get(), keys.decapsulation_key.writable().data(),
                                     &private_size) != 1) {
        return std::nullopt;
    }
    check(public_size == sizes.encapsulation_key && private_size == sizes.decapsulation_key,
          "ML-KEM key sizes");
    return keys;
}

std::optional<Encapsulated> encapsulate(KeMethod method, ByteView encapsulation_key,
                                        ByteView message) {
    const Sizes sizes = sizes_of(method);
    check(encapsulation_key.size() == sizes.encapsulation_key && message.size() == message_size,
          "ML-KEM encapsulation sizes");
    const Pkey key(EVP_PKEY_new_raw_public_key_ex(nullptr, algorithm_of(method), nullptr,
                                                  encapsulation_key.data(),
                                                  encapsulation_key.size()));
    const PkeyCtx ctx(key == nullptr ? nullptr
                                     : EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    OSSL_PARAM params[] = {octets(OSSL_KEM_PARAM_IKME, message), OSSL_PARAM_construct_end()};
    Encapsulated made{Bytes(sizes.ciphertext), Secret(secret_size)};
    std::size_t ciphertext_size = made.ciphertext.size();
    std::size_t shared_size = made.secret.size();
    if (ctx == nullptr || EVP_PKEY_encapsulate_init(ctx.get(), params) != 1 ||
        EVP_PKEY_encapsulate(ctx.get(), made.ciphertext.data(), &ciphertext_size,
                             made.secret.writable().data(), &shared_size) != 1) {
        return std::nullopt;
    }
    check(ciphertext_size == sizes.ciphertext && shared_size == secret_size,
          "ML-KEM ciphertext and secret sizes");
    return made;
}

std::optional<Secret> decapsulate(KeMethod method, ByteView decapsulation_key,
                                  ByteView ciphertext) {
    const Sizes sizes = sizes_of(method);
    check(decapsulation_key.size() == sizes.decapsulation_key &&
              ciphertext.size() == sizes.ciphertext,
          "ML-KEM decapsulation sizes");
    const Pkey key(EVP_PKEY_new_raw_private_key_ex(nullptr, algorithm_of(method), nullptr,
                                                   decapsulation_key.data(),
                                                   decapsulation_key.size()));
    const PkeyCtx ctx(key == nullptr ? nullptr
                                     : EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    Secret secret(secret_size);
    std::size_t size = secret.size();
    if (ctx == nullptr || EVP_PKEY_decapsulate_init(ctx.get(), nullptr) != 1 ||
        EVP_PKEY_decapsulate(ctx.get(), secret.writable().data(), &size, ciphertext.data(),
                             ciphertext.size()) != 1) {
        return std::nullopt;
    }
    check(size == secret_size, "ML-KEM secret size");
    return secret;
}

}  // namespace anyswan::crypto::ml_kem
