// SPDX-License-Identifier: Apache-2.0
// Key material (invariant N7): wiped when it goes, compared in constant time, printed as ***.
#pragma once

#include <ostream>

#include "base/bytes.h"

namespace anyswan {

/// Overwrites `bytes` with zeros in a way the compiler can't drop.
void wipe(MutableBytes bytes);

/// An owned byte string that is secret. Copies are explicit (`clone`), so that each is meant.
class Secret {
public:
    Secret() = default;
    /// A zero-filled secret of `size` bytes, to be filled through `writable()`.
    explicit Secret(std::size_t size) : bytes_(size) {}
    /// Takes over the bytes; the caller's vector is left empty.
    explicit Secret(Bytes&& bytes) : bytes_(std::move(bytes)) { bytes.clear(); }
    static Secret copy_of(ByteView bytes) { return Secret(to_bytes(bytes)); }

    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
    Secret& operator=(Secret&& other) noexcept;
    ~Secret() { wipe(bytes_); }

    [[nodiscard]] Secret clone() const { return copy_of(bytes_); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    /// The key itself: for the cryptographic library and the sealer, for nothing that prints.
    [[nodiscard]] ByteView reveal() const { return bytes_; }
    [[nodiscard]] MutableBytes writable() { return bytes_; }

    bool operator==(const Secret& other) const { return constant_time_equal(bytes_, other.bytes_); }

private:
    Bytes bytes_;
};

inline std::ostream& operator<<(std::ostream& out, const Secret&) {
    return out << "***";
}

}  // namespace anyswan
