// SPDX-License-Identifier: Apache-2.0
// Test support: the kernel driver with its surroundings. Two network namespaces and a cable: the
// driver in one, the peers' sockets in the other. Needs a kernel with ESP (labs/kernel/run).
#pragma once

#include <mutex>

#include "dataplane/test_outside.h"
#include "dataplane/xfrm/xfrm_driver.h"
#include "net/test_netns.h"

namespace anyswan::dataplane::conformance {

class XfrmHost final : public Host {
public:
    /// `without_interface`: by policies and marks.
    static Result<std::unique_ptr<XfrmHost>> make(bool without_interface);

    Driver& driver() override { return *driver_; }
    void send_esp(const Endpoint& remote, const Endpoint& local, ByteView esp,
                  std::uint8_t traffic_class) override;
    void send_ike(const Endpoint& remote, const Endpoint& local, ByteView message) override;
    void send_inner(ByteView packet) override { stack_.send(packet); }
    /// False: the stack refused it.
    [[nodiscard]] bool try_inner(ByteView packet) { return stack_.try_send(packet); }
    void collect_esp(std::vector<esp::OuterPacket>& to) override;
    void collect_ike_at_peers(std::vector<IkeDatagram>& to) override;
    void collect_inner(std::vector<Bytes>& to) override { stack_.collect(to); }
    void collect_events(std::vector<Event>& to) override;
    void collect_ike(std::vector<IkeDatagram>& to) override;
    void wait_a_little() override { (void)poller_.wait(10ms); }
    [[nodiscard]] bool kernel_opens_esp() const override { return true; }
    [[nodiscard]] bool holds_unknown_spis() const override {
        return driver_->describe().find("waits for it") != std::string::npos;
    }

    /// Ends the driver, as a crash would as far as the kernel is concerned, and starts another.
    /// `answer_buffer`: of its netlink sockets, in bytes.
    void restart(int answer_buffer = net::netlink_buffer);
    /// A shell command in the driver's namespace; its output.
    std::string shell(const std::string& command) const;

private:
    XfrmHost(net::testing::Netns near, net::testing::Netns far, net::Poller poller,
             bool without_interface)
        : near_(std::move(near)),
          far_(std::move(far)),
          poller_(std::move(poller)),
          without_interface_(without_interface) {}
    Status start();
    Status start_driver(int answer_buffer = net::netlink_buffer);

    net::testing::Netns near_;
    net::testing::Netns far_;
    net::Poller poller_;
    bool without_interface_;
    PeerSockets peers_;
    Stack stack_;
    std::vector<esp::OuterPacket> esp_;
    std::vector<IkeDatagram> ike_at_peers_;
    std::mutex mutex_;
    std::vector<Event> events_;
    std::vector<IkeDatagram> ike_;
    std::unique_ptr<XfrmDriver> driver_;  // last: its worker uses what is above
};

}  // namespace anyswan::dataplane::conformance
