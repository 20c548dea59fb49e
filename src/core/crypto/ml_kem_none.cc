// SPDX-License-Identifier: Apache-2.0
// No ML-KEM in this build (CMake said why): supported(ml_kem_*) is false, so nothing gets here.
#include "core/crypto/ml_kem.h"

namespace anyswan::crypto::ml_kem {

bool available() {
    return false;
}

std::optional<KeyPair> key_pair(KeMethod, ByteView) {
    return std::nullopt;
}

std::optional<Encapsulated> encapsulate(KeMethod, ByteView, ByteView) {
    return std::nullopt;
}

std::optional<Secret> decapsulate(KeMethod, ByteView, ByteView) {
    return std::nullopt;
}

}  // namespace anyswan::crypto::ml_kem
