// SPDX-License-Identifier: Apache-2.0
// A packet in a buffer with room on both sides, so that ESP is put around it in place, and a pool
// that hands such buffers out again: the packet path copies no payload and allocates nothing.
#pragma once

#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"

namespace anyswan::esp {

/// Room in front of a received inner packet: ESP header and the longest IV.
inline constexpr std::size_t packet_headroom = 64;
/// Room behind it: the longest padding, the trailer and the longest ICV.
inline constexpr std::size_t packet_tailroom = 64;

class Packet {
public:
    /// No buffer; only to be assigned to.
    Packet() = default;
    /// An empty packet that can grow to `capacity` bytes, plus headroom and tailroom.
    explicit Packet(std::size_t capacity);
    /// A packet of its own with these bytes.
    static Packet copy_of(ByteView bytes);

    Packet(Packet&&) noexcept = default;
    Packet& operator=(Packet&&) noexcept = default;

    [[nodiscard]] ByteView bytes() const { return {storage_.get() + begin_, size_}; }
    [[nodiscard]] MutableBytes bytes() { return {storage_.get() + begin_, size_}; }
    [[nodiscard]] std::size_t size() const { return size_; }
    /// How many bytes the packet may have without using head- or tailroom.
    [[nodiscard]] std::size_t capacity() const;

    /// Empties it and restores headroom and tailroom.
    void reset();
    /// The `capacity()` bytes to receive into, after reset(); then resize().
    [[nodiscard]] MutableBytes receive_space();
    /// Sets the length; grows at the back into what the buffer has (checked).
    void resize(std::size_t size);
    /// Grows at the front (checked) and returns the new bytes.
    MutableBytes prepend(std::size_t size);
    /// Grows at the back (checked) and returns the new bytes.
    MutableBytes append(std::size_t size);
    /// Cuts bytes off the front; at most size() (checked).
    void trim_front(std::size_t size);

private:
    std::unique_ptr<std::uint8_t[]> storage_;
    std::size_t storage_size_ = 0;
    std::size_t begin_ = 0;
    std::size_t size_ = 0;
};

/// A packet of the outside (ESP), with what its outer headers say.
struct OuterPacket {
    Packet packet;
    Endpoint local;
    Endpoint remote;
    bool udp_encapsulation = false;
    std::uint8_t traffic_class = 0;
};

/// Recycles buffers of one capacity. Not thread-safe; one per worker.
class PacketPool {
public:
    /// Keeps at most `kept_max` idle buffers; more are freed.
    PacketPool(std::size_t packet_capacity, std::size_t kept_max);
    /// An empty packet.
    [[nodiscard]] Packet take();
    /// Takes back packets of any origin; those of another capacity are freed.
    void give(Packet&& packet);

private:
    std::size_t packet_capacity_;
    std::size_t kept_max_;
    std::vector<Packet> idle_;
};

}  // namespace anyswan::esp
