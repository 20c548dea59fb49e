// SPDX-License-Identifier: Apache-2.0
// Curve25519 and Curve448 (RFC 8031): 32 or 56 bytes each way and of shared secret.
#include "core/crypto/key_exchange.h"
#include "core/crypto/openssl_handles.h"

namespace anyswan::crypto {

namespace {

struct Curve {
    int id = 0;  // the library's
    std::size_t size = 0;
};

Curve curve_of(KeMethod method) {
    return method == KeMethod::curve448 ? Curve{EVP_PKEY_X448, 56} : Curve{EVP_PKEY_X25519, 32};
}

class Montgomery final : public KeyExchange {
public:
    Montgomery(Curve curve, Pkey key, Bytes public_value)
        : curve_(curve), key_(std::move(key)), public_value_(std::move(public_value)) {}

    ByteView public_value() const override { return public_value_; }

    Expected<Secret, CryptoError> shared_secret(ByteView peer_public) const override {
        // RFC 8031 3.1: the Key Exchange Data of Curve25519 is 32 octets, of Curve448 56.
        if (peer_public.size() != curve_.size) {
            return Unexpected{CryptoError::bad_public_value};
        }
        const Pkey peer(EVP_PKEY_new_raw_public_key(curve_.id, nullptr, peer_public.data(),
                                                    peer_public.size()));
        const PkeyCtx ctx(EVP_PKEY_CTX_new(key_.get(), nullptr));
        if (peer == nullptr || ctx == nullptr || EVP_PKEY_derive_init(ctx.get()) != 1 ||
            EVP_PKEY_derive_set_peer(ctx.get(), peer.get()) != 1) {
            return Unexpected{CryptoError::library};
        }
        Secret shared(curve_.size);
        std::size_t size = curve_.size;
        // The library refuses a result of all zeros, which a peer value of low order gives (RFC
        // 7748 6). It has no other reason to fail here; the check below stands whatever it does.
        if (EVP_PKEY_derive(ctx.get(), shared.writable().data(), &size) != 1) {
            return Unexpected{CryptoError::bad_shared_secret};
        }
        check(size == curve_.size, "X25519 or X448 secret size");
        if (shared == Secret(curve_.size)) {
            return Unexpected{CryptoError::bad_shared_secret};
        }
        return shared;
    }

private:
    Curve curve_;
    Pkey key_;
    Bytes public_value_;
};

}  // namespace

MadeKeyExchange make_montgomery(KeMethod method, Random& random) {
    const Curve curve = curve_of(method);
    const Secret raw = random.secret(curve.size);  // the library clamps it (RFC 7748 5)
    Pkey key(EVP_PKEY_new_raw_private_key(curve.id, nullptr, raw.reveal().data(), raw.size()));
    Bytes public_value(curve.size);
    std::size_t size = public_value.size();
    if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), public_value.data(), &size) != 1) {
        return Unexpected{CryptoError::library};
    }
    return std::unique_ptr<KeyExchange>(
        std::make_unique<Montgomery>(curve, std::move(key), std::move(public_value)));
}

}  // namespace anyswan::crypto
