// SPDX-License-Identifier: Apache-2.0
// The outside of a dataplane: UDP sockets and raw ESP sockets, read and written in batches. Every
// datagram knows its local address (an edge answers from the anycast address that was asked) and
// its traffic class (ECN).
//
// Sockets may be bound to addresses that the host doesn't have yet (IP_FREEBIND): an anycast
// address comes and goes while the daemon runs.
#pragma once

#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/ip.h"
#include "net/fd.h"

namespace anyswan::net {

/// Most datagrams of one system call.
inline constexpr std::size_t datagram_batch_max = 64;

struct IncomingDatagram {
    /// Where to receive; given by the caller.
    MutableBytes space;
    /// The payload within `space`.
    MutableBytes payload;
    Endpoint local;
    Endpoint remote;
    std::uint8_t traffic_class = 0;
    bool truncated = false;
};

struct OutgoingDatagram {
    ByteView bytes;
    Endpoint local;  // the address to send from; its port is the socket's
    Endpoint remote;
    std::uint8_t traffic_class = 0;
};

/// No IPsec policy touches what goes through the socket. Kernels without IPsec: nothing to do.
Status bypass_ipsec(const Fd& fd, IpFamily family);

class DatagramSocket {
public:
    /// UDP. An unspecified address receives for all addresses of its family.
    static Result<DatagramSocket> open_udp(const Endpoint& local);
    /// The same from a UDP socket of an earlier life, with what has come in on it meanwhile. Fails
    /// if it isn't bound to `local`.
    static Result<DatagramSocket> adopt_udp(Fd fd, const Endpoint& local);
    /// IP protocol 50; needs CAP_NET_RAW.
    static Result<DatagramSocket> open_esp(const IpAddress& local);

    /// Receives what there is, at most one batch; returns how many. Never blocks.
    std::size_t receive(std::span<IncomingDatagram> datagrams);
    /// Sends in order, never blocks; returns how many the kernel refused. Packets are not
    /// fragmented: those that are bigger than the interface's MTU are refused.
    std::size_t send(std::span<const OutgoingDatagram> datagrams);
    /// The same, for datagrams that IP may fragment on their way (IKE).
    std::size_t send_fragmentable(std::span<const OutgoingDatagram> datagrams);

    /// RFC 3948: the kernel takes ESP and keepalives out of what comes in on this UDP socket; the
    /// rest (IKE behind its marker) is received as before.
    Status give_esp_to_kernel();
    /// No IPsec policy of the host touches what this socket sends and receives. Without IPsec in
    /// the kernel there is nothing to do.
    Status bypass_ipsec();

    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Port 0 for ESP. With the port that the kernel chose, if it was asked for 0.
    [[nodiscard]] const Endpoint& local() const { return local_; }

private:
    struct Batch;
    enum class Kind : std::uint8_t { udp, esp };

    DatagramSocket(Fd fd, Kind kind, const Endpoint& local);
    static Result<DatagramSocket> open(Kind kind, const Endpoint& local);
    Status configure();
    void set_fragmentation(bool allowed);

    Fd fd_;
    Kind kind_;
    Endpoint local_;
    std::shared_ptr<Batch> batch_;  // message headers, laid out once
};

}  // namespace anyswan::net
