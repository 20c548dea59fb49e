// SPDX-License-Identifier: Apache-2.0
#include "core/esp/packet.h"

#include <algorithm>

#include "base/check.h"

namespace anyswan::esp {

Packet::Packet(std::size_t capacity)
    : storage_(std::make_unique_for_overwrite<std::uint8_t[]>(packet_headroom + capacity +
                                                              packet_tailroom)),
      storage_size_(packet_headroom + capacity + packet_tailroom),
      begin_(packet_headroom) {}

Packet Packet::copy_of(ByteView bytes) {
    Packet packet(bytes.size());
    packet.resize(bytes.size());
    std::ranges::copy(bytes, packet.bytes().begin());
    return packet;
}

std::size_t Packet::capacity() const {
    return storage_size_ == 0 ? 0 : storage_size_ - packet_headroom - packet_tailroom;
}

void Packet::reset() {
    begin_ = packet_headroom;
    size_ = 0;
}

MutableBytes Packet::receive_space() {
    check(storage_ != nullptr && begin_ == packet_headroom && size_ == 0, "packet is in use");
    return {storage_.get() + packet_headroom, capacity()};
}

void Packet::resize(std::size_t size) {
    check(begin_ + size <= storage_size_, "packet grows past its buffer");
    size_ = size;
}

MutableBytes Packet::prepend(std::size_t size) {
    check(size <= begin_, "no headroom left");
    begin_ -= size;
    size_ += size;
    return bytes().first(size);
}

MutableBytes Packet::append(std::size_t size) {
    resize(size_ + size);
    return bytes().last(size);
}

void Packet::trim_front(std::size_t size) {
    check(size <= size_, "packet is shorter than what is cut off");
    begin_ += size;
    size_ -= size;
}

PacketPool::PacketPool(std::size_t packet_capacity, std::size_t kept_max)
    : packet_capacity_(packet_capacity), kept_max_(kept_max) {
    idle_.reserve(kept_max);
}

Packet PacketPool::take() {
    if (idle_.empty()) {
        return Packet(packet_capacity_);
    }
    Packet packet = std::move(idle_.back());
    idle_.pop_back();
    packet.reset();
    return packet;
}

void PacketPool::give(Packet&& packet) {
    if (packet.capacity() == packet_capacity_ && idle_.size() < kept_max_) {
        idle_.push_back(std::move(packet));
    } else {
        packet = Packet();
    }
}

}  // namespace anyswan::esp
