// SPDX-License-Identifier: Apache-2.0
// Test support: userspace drivers in network namespaces, joined by a cable.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "dataplane/test_peer.h"
#include "dataplane/user/user_driver.h"
#include "net/clock.h"
#include "net/test_netns.h"

namespace anyswan::dataplane::testing {

using esp::testing::address;
using esp::testing::make_record;
using esp::testing::mirror;
using net::testing::Netns;

/// One end: a namespace, a driver in it, and the events that the driver emitted.
class Node {
public:
    explicit Node(Netns netns) : netns_(std::move(netns)) {}
    ~Node() { stop(); }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// Null (and a failed test) without the rights for it.
    static std::unique_ptr<Node> make() {
        auto netns = Netns::make();
        if (!netns) {
            ADD_FAILURE() << netns.error().message;
            return nullptr;
        }
        return std::make_unique<Node>(std::move(*netns));
    }

    /// Whether the driver runs.
    bool start(UserDriverConfig config) {
        netns_.run([&] {
            auto started = UserDriver::start(
                std::move(config), random_,
                {.on_events = [this](std::vector<Event> events) { take(std::move(events)); },
                 .on_ike = {}});
            if (started) {
                driver_ = std::move(*started);
            } else {
                ADD_FAILURE() << started.error().message;
            }
        });
        return driver_ != nullptr;
    }
    void stop() {
        if (driver_ != nullptr) {
            driver_->stop();
        }
    }
    template <class... Changes>
    void apply(Changes&&... changes) {
        driver_->apply(batch(std::forward<Changes>(changes)...));
    }
    /// Waits for the next event of this type.
    template <class T>
    std::optional<T> next(Duration timeout = 5s) {
        std::unique_lock lock(mutex_);
        std::optional<T> found;
        arrived_.wait_for(lock, timeout, [&] {
            const auto at = std::ranges::find_if(
                events_, [](const Event& event) { return std::holds_alternative<T>(event); });
            if (at != events_.end()) {
                found = std::get<T>(std::move(*at));
                events_.erase(at);
            }
            return found.has_value();
        });
        return found;
    }
    void send_ike(const IkeDatagram& datagram) { driver_->send_ike({&datagram, 1}); }
    std::uint64_t counter(const std::string& name) { return driver_->counters().at(name); }
    /// Waits until the counter has at least this value, for up to 5 seconds.
    bool counts(const std::string& name, std::uint64_t value) {
        const Instant deadline = net::read_clock().instant + 5s;
        while (counter(name) < value && net::read_clock().instant < deadline) {
            (void)driver_->describe();  // one round through the worker
        }
        return counter(name) >= value;
    }
    bool shell(const std::string& command) { return netns_.shell(command); }
    /// The command's output, whatever its exit status.
    std::string output_of(const std::string& command) {
        std::string output;
        (void)netns_.shell(command, &output);
        return output;
    }
    [[nodiscard]] const Netns& netns() const { return netns_; }

private:
    void take(std::vector<Event> events) {
        const std::scoped_lock lock(mutex_);
        for (Event& event : events) {
            events_.push_back(std::move(event));
        }
        arrived_.notify_all();
    }

    Netns netns_;
    net::SystemRandom random_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<Event> events_;
    std::unique_ptr<UserDriver> driver_;
};

/// Joins two namespaces; both ends are called `name` and up.
inline bool plug_cable(const Node& one, const Node& two, const std::string& name) {
    return one.netns().shell("ip link add " + name + " type veth peer name " + name + " netns " +
                             two.netns().path() + " && ip link set " + name + " up") &&
           two.netns().shell("ip link set " + name + " up");
}

/// The ends of a tunnel: where the outer packets go.
struct Path {
    bool v6 = false;
    bool udp = true;
};

/// Two drivers: `near_` has 192.0.2.1 and 2001:db8:ff::1, and inside 10.1.0.1 and 2001:db8:1::1;
/// `far_` has .2 and 10.2.0.1. Tunnel acme/hq leads from each to the other.
class Cable : public ::testing::Test {
protected:
    void SetUp() override {
        near_ = Node::make();
        far_ = Node::make();
        ASSERT_TRUE(near_ != nullptr && far_ != nullptr);
        ASSERT_TRUE(plug_cable(*near_, *far_, "cable"));
        configure(*near_, "1");
        configure(*far_, "2");
    }

    static void configure(Node& node, const std::string& n) {
        ASSERT_TRUE(node.shell("ip addr add 192.0.2." + n + "/24 dev cable && ip addr add " +
                               "2001:db8:ff::" + n + "/64 dev cable nodad && ip addr add 10." + n +
                               ".0.1/32 dev lo && ip addr add 2001:db8:" + n +
                               "::1/128 dev lo nodad"));
    }

    static UserDriverConfig config_of(const std::string& n) {
        UserDriverConfig config;
        config.local_addresses = {address("192.0.2." + n), address("2001:db8:ff::" + n)};
        config.incarnation = Incarnation(static_cast<std::uint32_t>(std::stoul(n)));
        config.routes_in_main_table = true;
        return config;
    }

    void start() {
        ASSERT_TRUE(near_->start(config_of("1")));
        ASSERT_TRUE(far_->start(config_of("2")));
        near_->apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")},
                     AddRoute{tunnel_id, *IpPrefix::parse("2001:db8:2::/48")});
        far_->apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.1.0.0/16")},
                    AddRoute{tunnel_id, *IpPrefix::parse("2001:db8:1::/48")});
    }

    static InstallSa install_near(const sa::ChildSaRecord& record, const Path& path) {
        return {record.clone(), outer("1", path), outer("2", path), path.udp};
    }
    static InstallSa install_far(const sa::ChildSaRecord& record, const Path& path) {
        return {mirror(record), outer("2", path), outer("1", path), path.udp};
    }
    /// Installs the SA at both ends, with plenty of numbers.
    void install_both(const sa::ChildSaRecord& record, const Path& path) {
        near_->apply(install_near(record, path), grant(record.inbound_spi, 1, 1000000));
        far_->apply(install_far(record, path), grant(record.outbound_spi, 1, 1000000));
    }

    std::unique_ptr<Node> near_;
    std::unique_ptr<Node> far_;

private:
    static Endpoint outer(const std::string& n, const Path& path) {
        return {address((path.v6 ? "2001:db8:ff::" : "192.0.2.") + n),
                path.udp ? std::uint16_t{4500} : std::uint16_t{0}};
    }
};

}  // namespace anyswan::dataplane::testing
