// SPDX-License-Identifier: Apache-2.0
// The kernel's IPsec as a dataplane:
//
//   packets <-> xfrm interface (routes carry the tunnel) <-> policies and states <-> ESP, ESP in
//   UDP
//
// Our part is to keep states, policies and routes as the edge wants them (Model), to answer for
// sequence numbers, and to hold inner packets while a tunnel has no SA that it may send on: then
// its routes lead to a TUN of the account, whose packets wait here and go on their way afterwards.
//
// The kernel drops ESP of an SPI that it doesn't know without telling anyone; Outrun looks at what
// comes in, asks for such SPIs (UnknownSpi) and gives the packets back when their SA is in force.
#pragma once

#include "dataplane/user/user_driver.h"
#include "net/netlink_socket.h"

namespace anyswan::dataplane {

namespace xfrm {
class Worker;
}

struct XfrmDriverConfig {
    /// Sockets, interfaces, tables and MTU; raw_esp and incarnation don't matter here.
    UserDriverConfig base;
    /// Use policies and marks even where an xfrm interface could be had.
    bool without_interface = false;
    /// Bytes of the kernel's answers that may wait unread; tests make it small.
    int answer_buffer = net::netlink_buffer;
    /// What the kernel refused and may take later is tried again so often.
    Duration retry_interval = 10s;
};

class XfrmDriver final : public Driver {
public:
    /// Fails if the kernel can't do it; the error says what is missing.
    static Result<std::unique_ptr<XfrmDriver>> start(XfrmDriverConfig config, DriverSink sink);
    ~XfrmDriver() override;
    XfrmDriver(const XfrmDriver&) = delete;
    XfrmDriver& operator=(const XfrmDriver&) = delete;

    void apply(std::span<const Change> changes) override;
    void send_ike(std::span<const IkeDatagram> datagrams) override;
    [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override;
    [[nodiscard]] std::string describe() const override;
    /// States, policies and routes stay: tunnels go on, and the next start takes over what fits.
    /// The SAs end by themselves at their lifetimes.
    void stop() override;

private:
    explicit XfrmDriver(std::unique_ptr<WorkerThread<xfrm::Worker>> thread);
    std::unique_ptr<WorkerThread<xfrm::Worker>> thread_;
};

}  // namespace anyswan::dataplane
