// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <algorithm>

#include "base/check.h"

namespace anyswan {

namespace {

template <class T>
T load(ByteView at) {
    check(at.size() >= sizeof(T), "load past the end");
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value = static_cast<T>((static_cast<std::uint64_t>(value) << 8U) | at[i]);
    }
    return value;
}

template <class T>
void store(MutableBytes at, T value) {
    check(at.size() >= sizeof(T), "store past the end");
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        at[sizeof(T) - 1 - i] =
            static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8U * i));
    }
}

template <class T>
void append_big_endian(Bytes& bytes, T value) {
    std::array<std::uint8_t, sizeof(T)> field{};
    store<T>(field, value);
    bytes.insert(bytes.end(), field.begin(), field.end());
}

template <class T>
std::optional<T> read(ByteView& rest) {
    if (rest.size() < sizeof(T)) {
        return std::nullopt;
    }
    const T value = load<T>(rest);
    rest = rest.subspan(sizeof(T));
    return value;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

}  // namespace

std::string to_hex(ByteView bytes) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    hex.reserve(bytes.size() * 2);
    for (const std::uint8_t byte : bytes) {
        hex.push_back(digits[byte >> 4U]);
        hex.push_back(digits[byte & 15U]);
    }
    return hex;
}

std::optional<Bytes> from_hex(std::string_view hex) {
    if (hex.size() % 2 != 0) {
        return std::nullopt;
    }
    Bytes bytes;
    bytes.reserve(hex.size() / 2);
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const int high = hex_digit(hex[i]);
        const int low = hex_digit(hex[i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
    }
    return bytes;
}

Bytes to_bytes(ByteView view) {
    return {view.begin(), view.end()};
}
Bytes to_bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string to_string(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

Bytes concat(std::initializer_list<ByteView> parts) {
    std::size_t size = 0;
    for (const ByteView part : parts) {
        size += part.size();
    }
    Bytes all;
    all.reserve(size);
    for (const ByteView part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

bool equal(ByteView a, ByteView b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool constant_time_equal(ByteView a, ByteView b) {
    if (a.size() != b.size()) {
        return false;
    }
    volatile std::uint8_t difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
    }
    return difference == 0;
}

std::optional<std::uint8_t> Reader::u8() {
    return read<std::uint8_t>(rest_);
}
std::optional<std::uint16_t> Reader::u16() {
    return read<std::uint16_t>(rest_);
}
std::optional<std::uint32_t> Reader::u32() {
    return read<std::uint32_t>(rest_);
}
std::optional<std::uint64_t> Reader::u64() {
    return read<std::uint64_t>(rest_);
}

std::optional<ByteView> Reader::take(std::size_t size) {
    if (rest_.size() < size) {
        return std::nullopt;
    }
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
}

void Writer::u16(std::uint16_t value) {
    append_big_endian(bytes_, value);
}
void Writer::u32(std::uint32_t value) {
    append_big_endian(bytes_, value);
}
void Writer::u64(std::uint64_t value) {
    append_big_endian(bytes_, value);
}

void Writer::patch_u16(std::size_t offset, std::uint16_t value) {
    check(offset + 2 <= bytes_.size(), "patch past the end");
    store_u16(MutableBytes(bytes_).subspan(offset), value);
}

void Writer::patch_u32(std::size_t offset, std::uint32_t value) {
    check(offset + 4 <= bytes_.size(), "patch past the end");
    store_u32(MutableBytes(bytes_).subspan(offset), value);
}

std::uint16_t load_u16(ByteView at) {
    return load<std::uint16_t>(at);
}
std::uint32_t load_u32(ByteView at) {
    return load<std::uint32_t>(at);
}
std::uint64_t load_u64(ByteView at) {
    return load<std::uint64_t>(at);
}
void store_u16(MutableBytes at, std::uint16_t value) {
    store(at, value);
}
void store_u32(MutableBytes at, std::uint32_t value) {
    store(at, value);
}
void store_u64(MutableBytes at, std::uint64_t value) {
    store(at, value);
}

}  // namespace anyswan
