// SPDX-License-Identifier: Apache-2.0
// Curve25519 (RFC 8031): 32 bytes each way, 32 bytes of shared secret.
#include "core/crypto/key_exchange.h"
#include "core/crypto/openssl_handles.h"

namespace anyswan::crypto {

namespace {

constexpr std::size_t x25519_size = 32;

class X25519 final : public KeyExchange {
public:
    X25519(Pkey key, Bytes public_value)
        : key_(std::move(key)), public_value_(std::move(public_value)) {}

    ByteView public_value() const override { return public_value_; }

    Expected<Secret, CryptoError> shared_secret(ByteView peer_public) const override {
        // RFC 8031 3.1: the Key Exchange Data of Curve25519 is 32 octets.
        if (peer_public.size() != x25519_size) {
            return Unexpected{CryptoError::bad_public_value};
        }
        const Pkey peer(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, peer_public.data(),
                                                    peer_public.size()));
        const PkeyCtx ctx(EVP_PKEY_CTX_new(key_.get(), nullptr));
        if (peer == nullptr || ctx == nullptr || EVP_PKEY_derive_init(ctx.get()) != 1 ||
            EVP_PKEY_derive_set_peer(ctx.get(), peer.get()) != 1) {
            return Unexpected{CryptoError::library};
        }
        Secret shared(x25519_size);
        std::size_t size = x25519_size;
        // The library refuses a result of all zeros, which a peer value of low order gives (RFC
        // 7748 6.1). It has no other reason to fail here; the check below stands whatever it does.
        if (EVP_PKEY_derive(ctx.get(), shared.writable().data(), &size) != 1) {
            return Unexpected{CryptoError::bad_shared_secret};
        }
        check(size == x25519_size, "X25519 secret size");
        if (shared == Secret(x25519_size)) {
            return Unexpected{CryptoError::bad_shared_secret};
        }
        return shared;
    }

private:
    Pkey key_;
    Bytes public_value_;
};

}  // namespace

MadeKeyExchange make_x25519(Random& random) {
    const Secret raw = random.secret(x25519_size);  // the library clamps it (RFC 7748 5)
    Pkey key(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, raw.reveal().data(), raw.size()));
    Bytes public_value(x25519_size);
    std::size_t size = public_value.size();
    if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), public_value.data(), &size) != 1) {
        return Unexpected{CryptoError::library};
    }
    return std::unique_ptr<KeyExchange>(
        std::make_unique<X25519>(std::move(key), std::move(public_value)));
}

}  // namespace anyswan::crypto
