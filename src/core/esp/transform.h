// SPDX-License-Identifier: Apache-2.0
// The ESP packet format in both directions, for one key (RFC 4303 2 and 3.3/3.4, RFC 4106, RFC
// 7634, RFC 3602): padding, header, ICV. No state but the cipher's; numbers and IVs are given.
//
//   SPI | sequence number | IV | inner packet, padding 1 2 3 .., pad length, next header | ICV
//   |------ clear ------------|----------------- encrypted ---------------------------|
//   |------------------------- authenticated (+ high sequence bits) ------------------|
#pragma once

#include <memory>

#include "base/result.h"
#include "base/strong.h"
#include "core/crypto/crypto.h"
#include "core/esp/drop_reason.h"
#include "core/esp/packet.h"

namespace anyswan::esp {

/// RFC 4303 2.6, "Next Header" of tunnel mode.
enum class NextHeader : std::uint8_t { ipv4 = 4, ipv6 = 41, dummy = 59 };

/// Longest IV of any cipher.
inline constexpr std::size_t iv_size_max = 16;

class Transform {
public:
    /// Fails if this build can't run the suite, or a key has the wrong length for it.
    static Result<Transform> make(EspSpi spi, const crypto::EspSuite& suite, ByteView encr_key,
                                  ByteView integ_key);

    /// Turns an inner packet into an ESP packet, in place. `iv` has iv_size() bytes (checked).
    void seal(Packet& packet, SequenceNumber number, ByteView iv, NextHeader next_header);
    /// Verifies and decrypts in place; what is left is the payload with padding and trailer. False:
    /// the ICV is wrong, the packet is spoilt. The length must have been found good (checked).
    [[nodiscard]] bool decrypt(Packet& packet, SequenceNumber number);
    /// Whether an ESP packet of `size` bytes can be one of this suite's.
    [[nodiscard]] bool good_length(std::size_t size) const;

    [[nodiscard]] bool is_aead() const { return aead_; }
    [[nodiscard]] std::size_t iv_size() const { return iv_size_; }
    [[nodiscard]] EspSpi spi() const { return spi_; }

private:
    Transform() = default;

    EspSpi spi_;
    bool aead_ = true;
    bool esn_ = false;
    std::size_t iv_size_ = 0;
    std::size_t icv_size_ = 0;
    std::size_t block_ = 1;
    std::unique_ptr<crypto::Cipher> cipher_;
};

/// The next header of a decrypted payload, after cutting padding and trailer off; or why not.
[[nodiscard]] Expected<NextHeader, DropReason> remove_trailer(Packet& packet);

}  // namespace anyswan::esp
