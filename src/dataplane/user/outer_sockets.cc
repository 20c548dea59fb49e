// SPDX-License-Identifier: Apache-2.0
#include "dataplane/user/outer_sockets.h"

#include <algorithm>

#include "core/wire/esp/esp.h"

namespace anyswan::dataplane {

using esp::DropReason;
using esp::OuterPacket;
using esp::Packet;

namespace {

/// "udp-500-2001.db8..1": a name that a service manager takes.
std::string kept_name(const Endpoint& local) {
    std::string address = local.address.to_string();
    std::ranges::replace(address, ':', '.');
    return "udp-" + std::to_string(local.port) + "-" + address;
}

Result<net::DatagramSocket> open_udp(const Endpoint& local, net::KeptSockets& kept) {
    if (net::Fd fd = kept.take(kept_name(local)); fd.valid()) {
        return net::DatagramSocket::adopt_udp(std::move(fd), local);
    }
    return net::DatagramSocket::open_udp(local);
}

}  // namespace

Result<OuterSockets> OuterSockets::open(const UserDriverConfig& config, net::KeptSockets kept) {
    OuterSockets made;
    made.natt_port_ = config.natt_port;
    for (const IpAddress& address : config.local_addresses) {
        Status added = made.add(open_udp({address, config.ike_port}, kept), Kind::ike);
        if (added) {
            added = made.add(open_udp({address, config.natt_port}, kept), Kind::natt);
        }
        if (added && config.raw_esp) {
            added = made.add(net::DatagramSocket::open_esp(address), Kind::raw_esp);
        }
        if (!added) {
            return Unexpected<Error>{added.error()};
        }
    }
    if (made.sockets_.empty()) {
        return fail("the dataplane has no local address to listen on");
    }
    return made;
}

Status OuterSockets::add(Result<net::DatagramSocket> socket, Kind kind) {
    if (!socket) {
        return Unexpected<Error>{socket.error()};
    }
    by_local_[socket->local()] = sockets_.size();
    sockets_.push_back({std::move(*socket), kind});
    return {};
}

bool OuterSockets::keep() const {
    bool kept = false;
    for (const Entry& entry : sockets_) {
        if (entry.kind != Kind::raw_esp) {
            kept = net::KeptSockets::keep(kept_name(entry.socket.local()), entry.socket.fd());
        }
    }
    return kept;
}

Status OuterSockets::give_esp_to_kernel() {
    for (Entry& entry : sockets_) {
        Status done = entry.socket.bypass_ipsec();
        if (done && entry.kind == Kind::natt) {
            done = entry.socket.give_esp_to_kernel();
        }
        if (!done) {
            return done;
        }
    }
    return {};
}

bool OuterSockets::receive(std::size_t index, esp::PacketPool& pool, std::vector<OuterPacket>& esp,
                           std::vector<IkeDatagram>& ike, esp::DropCounts& drops) {
    Entry& entry = sockets_[index];
    while (buffers_.size() < net::datagram_batch_max) {
        buffers_.push_back(pool.take());
    }
    incoming_.resize(buffers_.size());
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
        incoming_[i].space = buffers_[i].receive_space();
    }
    const std::size_t count = entry.socket.receive(incoming_);
    for (std::size_t i = 0; i < count; ++i) {
        const net::IncomingDatagram& datagram = incoming_[i];
        Packet packet = std::exchange(buffers_[i], Packet());
        packet.resize(static_cast<std::size_t>(datagram.payload.data() + datagram.payload.size() -
                                               datagram.space.data()));
        packet.trim_front(
            static_cast<std::size_t>(datagram.payload.data() - datagram.space.data()));
        classify(entry.kind, std::move(packet), datagram, pool, esp, ike, drops);
    }
    buffers_.erase(buffers_.begin(), buffers_.begin() + static_cast<std::ptrdiff_t>(count));
    return count > 0;
}

void OuterSockets::classify(Kind kind, Packet packet, const net::IncomingDatagram& datagram,
                            esp::PacketPool& pool, std::vector<OuterPacket>& esp,
                            std::vector<IkeDatagram>& ike, esp::DropCounts& drops) {
    const auto take_ike = [&](std::size_t marker) {
        ike.push_back({datagram.local, datagram.remote, to_bytes(packet.bytes().subspan(marker))});
        ++counts_.ike_in;
        pool.give(std::move(packet));
    };
    if (datagram.truncated) {
        count_drop(drops, DropReason::outer_truncated);
        pool.give(std::move(packet));
        return;
    }
    if (kind == Kind::ike) {
        take_ike(0);
        return;
    }
    const auto natt =
        kind == Kind::natt ? wire::esp::classify_natt(packet.bytes()) : wire::esp::Natt::esp;
    switch (natt) {
        case wire::esp::Natt::keepalive:
            ++counts_.natt_keepalives;
            pool.give(std::move(packet));
            break;
        case wire::esp::Natt::runt:
            count_drop(drops, DropReason::natt_runt);
            pool.give(std::move(packet));
            break;
        case wire::esp::Natt::ike:
            take_ike(wire::esp::non_esp_marker_size);
            break;
        case wire::esp::Natt::esp:
            esp.push_back({std::move(packet), datagram.local, datagram.remote, kind == Kind::natt,
                           datagram.traffic_class});
            break;
    }
}

OuterSockets::Entry* OuterSockets::find(const Endpoint& local, bool raw_esp) {
    const std::uint16_t port = raw_esp ? std::uint16_t{0} : local.port;
    auto found = by_local_.find({local.address, port});
    if (found == by_local_.end()) {
        IpAddress any = local.address.is_v4() ? IpAddress() : *IpAddress::parse("::");
        found = by_local_.find({any, port});
    }
    return found == by_local_.end() ? nullptr : &sockets_[found->second];
}

void OuterSockets::send(std::span<OuterPacket> packets, esp::PacketPool& pool,
                        esp::DropCounts& drops) {
    std::size_t begin = 0;
    while (begin < packets.size()) {
        const auto socket_of = [&](const OuterPacket& packet) {
            return find(packet.local, !packet.udp_encapsulation);
        };
        Entry* entry = socket_of(packets[begin]);
        outgoing_.clear();
        std::size_t end = begin;
        while (end < packets.size() && socket_of(packets[end]) == entry) {
            const OuterPacket& packet = packets[end];
            outgoing_.push_back(
                {packet.packet.bytes(), packet.local, packet.remote, packet.traffic_class});
            ++end;
        }
        const std::size_t refused =
            entry == nullptr ? outgoing_.size() : entry->socket.send(outgoing_);
        count_drop(drops, DropReason::outer_send_failed, refused);
        begin = end;
    }
    for (OuterPacket& packet : packets) {
        pool.give(std::move(packet.packet));
    }
}

void OuterSockets::send_ike(std::span<const IkeDatagram> datagrams, esp::DropCounts& drops) {
    for (const IkeDatagram& datagram : datagrams) {
        Entry* entry = find(datagram.local, false);
        if (entry == nullptr) {
            count_drop(drops, DropReason::outer_send_failed);
            continue;
        }
        const Bytes bytes = wire::esp::ike_in_udp(datagram.bytes, entry->kind == Kind::natt);
        const net::OutgoingDatagram outgoing{bytes, datagram.local, datagram.remote, 0};
        count_drop(drops, DropReason::outer_send_failed,
                   entry->socket.send_fragmentable({&outgoing, 1}));
        ++(datagram.bytes.empty() ? counts_.natt_keepalives_sent : counts_.ike_out);
    }
}

std::string OuterSockets::describe() const {
    std::string text;
    for (const Entry& entry : sockets_) {
        const Endpoint& local = entry.socket.local();
        text += text.empty() ? "" : ", ";
        text += entry.kind == Kind::raw_esp ? "ESP " + local.address.to_string()
                                            : "UDP " + local.to_string();
    }
    return text;
}

}  // namespace anyswan::dataplane
