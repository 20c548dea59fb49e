// SPDX-License-Identifier: Apache-2.0
// All sockets of the outside, and what comes in on them told apart: IKE, ESP, keepalives.
#pragma once

#include <unordered_map>

#include "core/esp/drop_reason.h"
#include "core/esp/packet.h"
#include "dataplane/driver.h"
#include "dataplane/user/user_driver.h"
#include "net/datagram_socket.h"
#include "net/kept_sockets.h"

namespace anyswan::dataplane {

struct OuterCounts {
    std::uint64_t natt_keepalives = 0;  // in
    std::uint64_t natt_keepalives_sent = 0;
    std::uint64_t ike_in = 0;
    std::uint64_t ike_out = 0;
};

class OuterSockets {
public:
    /// UDP sockets of an earlier life are gone on with.
    static Result<OuterSockets> open(const UserDriverConfig& config, net::KeptSockets kept = {});
    /// Asks the service manager to keep the UDP sockets while the daemon is away. False: none does.
    [[nodiscard]] bool keep() const;

    /// The kernel's IPsec takes the ESP; only IKE comes out here. No policy touches IKE.
    Status give_esp_to_kernel();

    [[nodiscard]] std::size_t size() const { return sockets_.size(); }
    [[nodiscard]] int fd(std::size_t index) const { return sockets_[index].socket.fd(); }

    /// One batch from socket `index`: ESP is appended to `esp`, IKE to `ike`. False: nothing there.
    bool receive(std::size_t index, esp::PacketPool& pool, std::vector<esp::OuterPacket>& esp,
                 std::vector<IkeDatagram>& ike, esp::DropCounts& drops);
    /// Sends in runs of one socket each; gives the buffers back to `pool`.
    void send(std::span<esp::OuterPacket> packets, esp::PacketPool& pool, esp::DropCounts& drops);
    void send_ike(std::span<const IkeDatagram> datagrams, esp::DropCounts& drops);

    [[nodiscard]] const OuterCounts& counts() const { return counts_; }
    /// "192.0.2.1:500", ...; for people.
    [[nodiscard]] std::string describe() const;

private:
    enum class Kind : std::uint8_t { ike, natt, raw_esp };
    struct Entry {
        net::DatagramSocket socket;
        Kind kind;
    };

    OuterSockets() = default;
    Status add(Result<net::DatagramSocket> socket, Kind kind);
    /// The socket for packets from `local`; null if we have none.
    [[nodiscard]] Entry* find(const Endpoint& local, bool raw_esp);
    void classify(Kind kind, esp::Packet packet, const net::IncomingDatagram& datagram,
                  esp::PacketPool& pool, std::vector<esp::OuterPacket>& esp,
                  std::vector<IkeDatagram>& ike, esp::DropCounts& drops);

    std::vector<Entry> sockets_;
    /// By local endpoint; raw ESP has port 0.
    std::unordered_map<Endpoint, std::size_t> by_local_;
    std::uint16_t natt_port_ = 4500;
    OuterCounts counts_;
    // Scratch space of one batch.
    std::vector<esp::Packet> buffers_;
    std::vector<net::IncomingDatagram> incoming_;
    std::vector<net::OutgoingDatagram> outgoing_;
};

}  // namespace anyswan::dataplane
