// SPDX-License-Identifier: Apache-2.0
// Byte strings: owning `Bytes`, borrowed `ByteView`, a Reader that can't run past its end and a
// Writer that appends in network byte order.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anyswan {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

[[nodiscard]] std::string to_hex(ByteView bytes);
/// Nothing if `hex` has an odd length or a character that is no hex digit.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view hex);
[[nodiscard]] Bytes to_bytes(ByteView view);
[[nodiscard]] Bytes to_bytes(std::string_view text);
/// The bytes of `text`, borrowed.
[[nodiscard]] ByteView as_bytes(std::string_view text);
[[nodiscard]] std::string to_string(ByteView bytes);
[[nodiscard]] Bytes concat(std::initializer_list<ByteView> parts);
[[nodiscard]] bool equal(ByteView a, ByteView b);
/// Time depends on the lengths only; for MACs and other secrets.
[[nodiscard]] bool constant_time_equal(ByteView a, ByteView b);

/// Reads big-endian fields from the front of a view. Every read checks the length first and returns
/// nothing when too little is left; a failed read consumes nothing.
class Reader {
public:
    explicit Reader(ByteView bytes) : rest_(bytes) {}

    [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
    [[nodiscard]] bool empty() const { return rest_.empty(); }
    [[nodiscard]] ByteView rest() const { return rest_; }
    std::optional<std::uint8_t> u8();
    std::optional<std::uint16_t> u16();
    std::optional<std::uint32_t> u32();
    std::optional<std::uint64_t> u64();
    /// The next `size` bytes, borrowed.
    std::optional<ByteView> take(std::size_t size);

private:
    ByteView rest_;
};

/// Appends big-endian fields to a byte string that it owns.
class Writer {
public:
    Writer() = default;
    explicit Writer(std::size_t capacity) { bytes_.reserve(capacity); }

    void u8(std::uint8_t value) { bytes_.push_back(value); }
    void u16(std::uint16_t value);
    void u32(std::uint32_t value);
    void u64(std::uint64_t value);
    void append(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    /// Overwrites the two bytes at `offset`, written before.
    void patch_u16(std::size_t offset, std::uint16_t value);
    void patch_u32(std::size_t offset, std::uint32_t value);
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] ByteView view() const { return bytes_; }
    [[nodiscard]] Bytes take() && { return std::move(bytes_); }

private:
    Bytes bytes_;
};

// Big-endian loads and stores at the front of a view whose length the caller has checked.
[[nodiscard]] std::uint16_t load_u16(ByteView at);
[[nodiscard]] std::uint32_t load_u32(ByteView at);
[[nodiscard]] std::uint64_t load_u64(ByteView at);
void store_u16(MutableBytes at, std::uint16_t value);
void store_u32(MutableBytes at, std::uint32_t value);
void store_u64(MutableBytes at, std::uint64_t value);

}  // namespace anyswan
