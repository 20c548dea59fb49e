// SPDX-License-Identifier: Apache-2.0
// ML-KEM by PQClean's portable reference code, which has no header of its own for the derandomized
// forms. It leaves secrets behind on the stack and in freed memory: both are wiped here.
#include <malloc.h>

#include <array>
#include <cstdlib>

#include "core/crypto/ml_kem.h"

extern "C" {

#define ANYSWAN_PQCLEAN(SET)                                                                    \
    int PQCLEAN_##SET##_CLEAN_crypto_kem_keypair_derand(std::uint8_t* pk, std::uint8_t* sk,     \
                                                        const std::uint8_t* coins);             \
    int PQCLEAN_##SET##_CLEAN_crypto_kem_enc_derand(                                            \
        std::uint8_t* ct, std::uint8_t* ss, const std::uint8_t* pk, const std::uint8_t* coins); \
    int PQCLEAN_##SET##_CLEAN_crypto_kem_dec(std::uint8_t* ss, const std::uint8_t* ct,          \
                                             const std::uint8_t* sk);
ANYSWAN_PQCLEAN(MLKEM512)
ANYSWAN_PQCLEAN(MLKEM768)
ANYSWAN_PQCLEAN(MLKEM1024)
#undef ANYSWAN_PQCLEAN

/// The forms that draw randomness themselves call this; ours don't.
int PQCLEAN_randombytes(std::uint8_t*, std::size_t) {
    anyswan::check(false, "ML-KEM asked for randomness of its own");
    return -1;
}

/// What its free() is built as: sponge states hold keys.
void anyswan_wiping_free(void* memory) {
    if (memory != nullptr) {
        anyswan::wipe({static_cast<std::uint8_t*>(memory), malloc_usable_size(memory)});
        std::free(memory);
    }
}

}  // extern "C"

namespace anyswan::crypto::ml_kem {

namespace {

struct Functions {
    decltype(&PQCLEAN_MLKEM768_CLEAN_crypto_kem_keypair_derand) key_pair;
    decltype(&PQCLEAN_MLKEM768_CLEAN_crypto_kem_enc_derand) encapsulate;
    decltype(&PQCLEAN_MLKEM768_CLEAN_crypto_kem_dec) decapsulate;
};

Functions functions_of(KeMethod method) {
    switch (method) {
        case KeMethod::ml_kem_512:
            return {PQCLEAN_MLKEM512_CLEAN_crypto_kem_keypair_derand,
                    PQCLEAN_MLKEM512_CLEAN_crypto_kem_enc_derand,
                    PQCLEAN_MLKEM512_CLEAN_crypto_kem_dec};
        case KeMethod::ml_kem_768:
            return {PQCLEAN_MLKEM768_CLEAN_crypto_kem_keypair_derand,
                    PQCLEAN_MLKEM768_CLEAN_crypto_kem_enc_derand,
                    PQCLEAN_MLKEM768_CLEAN_crypto_kem_dec};
        default:
            return {PQCLEAN_MLKEM1024_CLEAN_crypto_kem_keypair_derand,
                    PQCLEAN_MLKEM1024_CLEAN_crypto_kem_enc_derand,
                    PQCLEAN_MLKEM1024_CLEAN_crypto_kem_dec};
    }
}

/// Overwrites the stack that a call before this one used: ML-KEM-1024's deepest needs some 40 kB.
[[gnu::noinline]] void wipe_stack_below() {
    std::array<std::uint8_t, 64 * 1024> below;
    wipe(below);
}

}  // namespace

bool available() {
    return true;
}

std::optional<KeyPair> key_pair(KeMethod method, ByteView seed) {
    const Sizes sizes = sizes_of(method);
    check(seed.size() == seed_size, "ML-KEM seed size");
    KeyPair keys{Bytes(sizes.encapsulation_key), Secret(sizes.decapsulation_key)};
    const int status = functions_of(method).key_pair(
        keys.encapsulation_key.data(), keys.decapsulation_key.writable().data(), seed.data());
    wipe_stack_below();
    return status == 0 ? std::optional(std::move(keys)) : std::nullopt;
}

std::optional<Encapsulated> encapsulate(KeMethod method, ByteView encapsulation_key,
                                        ByteView message) {
    const Sizes sizes = sizes_of(method);
    check(encapsulation_key.size() == sizes.encapsulation_key && message.size() == message_size,
          "ML-KEM encapsulation sizes");
    Encapsulated made{Bytes(sizes.ciphertext), Secret(secret_size)};
    const int status =
        functions_of(method).encapsulate(made.ciphertext.data(), made.secret.writable().data(),
                                         encapsulation_key.data(), message.data());
    wipe_stack_below();
    return status == 0 ? std::optional(std::move(made)) : std::nullopt;
}

std::optional<Secret> decapsulate(KeMethod method, ByteView decapsulation_key,
                                  ByteView ciphertext) {
    const Sizes sizes = sizes_of(method);
    check(decapsulation_key.size() == sizes.decapsulation_key &&
              ciphertext.size() == sizes.ciphertext,
          "ML-KEM decapsulation sizes");
    Secret secret(secret_size);
    const int status = functions_of(method).decapsulate(secret.writable().data(), ciphertext.data(),
                                                        decapsulation_key.data());
    wipe_stack_below();
    return status == 0 ? std::optional(std::move(secret)) : std::nullopt;
}

}  // namespace anyswan::crypto::ml_kem
