// SPDX-License-Identifier: Apache-2.0
// ECDH over the NIST curves (RFC 5903): public values are x | y, the shared secret is x alone, both
// padded to the size of the field.
#include <openssl/obj_mac.h>

#include "core/crypto/key_exchange.h"
#include "core/crypto/openssl_handles.h"

namespace anyswan::crypto {

namespace {

/// SEC 1 2.3.3: what the library puts before x | y of an uncompressed point.
constexpr std::uint8_t uncompressed = 0x04;

int curve_of(KeMethod method) {
    switch (method) {
        case KeMethod::ecp256:
            return NID_X9_62_prime256v1;
        case KeMethod::ecp384:
            return NID_secp384r1;
        default:
            return NID_secp521r1;
    }
}

std::size_t field_size(const EC_GROUP* group) {
    return (static_cast<std::size_t>(EC_GROUP_get_degree(group)) + 7) / 8;
}

class Ecp final : public KeyExchange {
public:
    Ecp(CurveGroup group, BigNumber scalar, Bytes public_value)
        : group_(std::move(group)),
          scalar_(std::move(scalar)),
          public_value_(std::move(public_value)) {}

    ByteView public_value() const override { return public_value_; }

    Expected<Secret, CryptoError> shared_secret(ByteView peer_public) const override {
        const std::size_t size = field_size(group_.get());
        if (peer_public.size() != 2 * size) {
            return Unexpected{CryptoError::bad_public_value};
        }
        const BigNumberCtx ctx(BN_CTX_new());
        const CurvePoint peer(EC_POINT_new(group_.get()));
        const CurvePoint product(EC_POINT_new(group_.get()));
        const BigNumber x(BN_new());
        if (ctx == nullptr || peer == nullptr || product == nullptr || x == nullptr) {
            return Unexpected{CryptoError::library};
        }
        // RFC 6989 2.3: x and y must be below p and on the curve: the library checks both here.
        // Infinity has no such form, and the curves' cofactor is 1.
        const Bytes encoded = concat({ByteView(&uncompressed, 1), peer_public});
        if (EC_POINT_oct2point(group_.get(), peer.get(), encoded.data(), encoded.size(),
                               ctx.get()) != 1) {
            return Unexpected{CryptoError::bad_public_value};
        }
        Secret shared(size);
        const int length = static_cast<int>(size);
        if (EC_POINT_mul(group_.get(), product.get(), nullptr, peer.get(), scalar_.get(),
                         ctx.get()) != 1 ||
            EC_POINT_get_affine_coordinates(group_.get(), product.get(), x.get(), nullptr,
                                            ctx.get()) != 1 ||
            BN_bn2binpad(x.get(), shared.writable().data(), length) != length) {
            return Unexpected{CryptoError::library};
        }
        return shared;
    }

private:
    CurveGroup group_;
    BigNumber scalar_;
    Bytes public_value_;
};

/// Uniform in [1, n-1]: as many bits as n has, drawn again until they fit.
BigNumber draw_scalar(const EC_GROUP* group, Random& random) {
    const BIGNUM* order = EC_GROUP_get0_order(group);
    const std::size_t bits = static_cast<std::size_t>(BN_num_bits(order));
    const std::size_t spare_bits = (8 - bits % 8) % 8;
    for (;;) {
        Secret raw = random.secret((bits + 7) / 8);
        raw.writable()[0] = static_cast<std::uint8_t>(raw.reveal()[0] & (0xffU >> spare_bits));
        BigNumber scalar = private_number(raw.reveal().data(), raw.size());
        if (scalar == nullptr ||
            (BN_is_zero(scalar.get()) == 0 && BN_cmp(scalar.get(), order) < 0)) {
            return scalar;
        }
    }
}

}  // namespace

MadeKeyExchange make_ecp(KeMethod method, Random& random) {
    CurveGroup group(EC_GROUP_new_by_curve_name(curve_of(method)));
    if (group == nullptr) {
        return Unexpected{CryptoError::unsupported};
    }
    BigNumber scalar = draw_scalar(group.get(), random);
    const BigNumberCtx ctx(BN_CTX_new());
    const CurvePoint point(EC_POINT_new(group.get()));
    Bytes encoded(1 + 2 * field_size(group.get()));
    if (scalar == nullptr || ctx == nullptr || point == nullptr ||
        EC_POINT_mul(group.get(), point.get(), scalar.get(), nullptr, nullptr, ctx.get()) != 1 ||
        EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(),
                           encoded.size(), ctx.get()) != encoded.size()) {
        return Unexpected{CryptoError::library};
    }
    encoded.erase(encoded.begin());
    return std::unique_ptr<KeyExchange>(
        std::make_unique<Ecp>(std::move(group), std::move(scalar), std::move(encoded)));
}

}  // namespace anyswan::crypto
