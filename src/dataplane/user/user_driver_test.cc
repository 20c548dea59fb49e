// SPDX-License-Identifier: Apache-2.0
// Two userspace drivers, each in a network namespace, joined by a cable: real packets of the Linux
// stack through both, in every combination of outer and inner family, encapsulation and cipher.
#include "dataplane/user/user_driver.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "core/esp/test_records.h"
#include "net/clock.h"
#include "net/test_netns.h"

namespace anyswan::dataplane {
namespace {

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
        std::vector<Change> list;
        (list.emplace_back(std::forward<Changes>(changes)), ...);
        driver_->apply(list);
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
    std::uint64_t counter(const std::string& name) { return driver_->counters().at(name); }
    bool shell(const std::string& command) { return netns_.shell(command); }
    bool shell(const std::string& command, std::string& output) {
        return netns_.shell(command, &output);
    }
    Netns& netns() { return netns_; }
    UserDriver& driver() { return *driver_; }

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

struct Path {
    bool v6 = false;
    bool udp = true;
};

class Cable : public ::testing::Test {
protected:
    void SetUp() override {
        near_ = make_node();
        far_ = make_node();
        if (near_ == nullptr || far_ == nullptr) {
            return;
        }
        ASSERT_TRUE(near_->shell("ip link add cable type veth peer name cable netns " +
                                 far_->netns().path()));
        configure(*near_, "192.0.2.1/24", "2001:db8:ff::1/64", "10.1.0.1", "2001:db8:1::1");
        configure(*far_, "192.0.2.2/24", "2001:db8:ff::2/64", "10.2.0.1", "2001:db8:2::1");
    }

    static std::unique_ptr<Node> make_node() {
        auto netns = Netns::make();
        if (!netns) {
            ADD_FAILURE() << netns.error().message;
            return nullptr;
        }
        return std::make_unique<Node>(std::move(*netns));
    }

    static void configure(Node& node, const std::string& outer, const std::string& outer_v6,
                          const std::string& inner, const std::string& inner_v6) {
        ASSERT_TRUE(node.shell("ip link set cable up && ip addr add " + outer +
                               " dev cable && ip addr add " + outer_v6 +
                               " dev cable nodad && ip addr add " + inner +
                               "/32 dev lo && ip addr add " + inner_v6 + "/128 dev lo nodad"));
    }

    void start() {
        const auto config = [](const char* v4, const char* v6, std::uint32_t incarnation) {
            UserDriverConfig made;
            made.local_addresses = {address(v4), address(v6)};
            made.incarnation = Incarnation(incarnation);
            made.routes_in_main_table = true;
            return made;
        };
        ASSERT_TRUE(near_->start(config("192.0.2.1", "2001:db8:ff::1", 1)));
        ASSERT_TRUE(far_->start(config("192.0.2.2", "2001:db8:ff::2", 2)));
        near_->apply(AddDomain{"acme"}, AddRoute{{"acme", "hq"}, *IpPrefix::parse("10.2.0.0/16")},
                     AddRoute{{"acme", "hq"}, *IpPrefix::parse("2001:db8:2::/48")});
        far_->apply(AddDomain{"acme"}, AddRoute{{"acme", "hq"}, *IpPrefix::parse("10.1.0.0/16")},
                    AddRoute{{"acme", "hq"}, *IpPrefix::parse("2001:db8:1::/48")});
    }

    static InstallSa install_of(sa::ChildSaRecord record, const Path& path, bool near) {
        const IpAddress one = address(path.v6 ? "2001:db8:ff::1" : "192.0.2.1");
        const IpAddress two = address(path.v6 ? "2001:db8:ff::2" : "192.0.2.2");
        const std::uint16_t port = path.udp ? 4500 : 0;
        return {std::move(record), {near ? one : two, port}, {near ? two : one, port}, path.udp};
    }

    /// Installs the SA at both ends, with plenty of numbers.
    void install(const sa::ChildSaRecord& record, const Path& path) {
        near_->apply(install_of(record.clone(), path, true),
                     GrantSequence{record.inbound_spi, SequenceNumber(1), SequenceNumber(1000000)});
        far_->apply(install_of(mirror(record), path, false),
                    GrantSequence{record.outbound_spi, SequenceNumber(1), SequenceNumber(1000000)});
    }

    std::unique_ptr<Node> near_;
    std::unique_ptr<Node> far_;
};

TEST_F(Cable, PingsThroughEverySuiteAndPath) {
    ASSERT_NO_FATAL_FAILURE(start());
    std::uint32_t spi = 0x1000;
    for (const char* suite : {"aes128gcm16", "aes256gcm16-esn", "chacha20poly1305", "aes256-sha256",
                              "aes128-sha512-esn"}) {
        for (const Path path :
             {Path{false, true}, Path{false, false}, Path{true, true}, Path{true, false}}) {
            SCOPED_TRACE(std::string(suite) + (path.v6 ? " v6" : " v4") +
                         (path.udp ? " UDP" : " ESP"));
            const auto record = make_record(suite, spi += 2);
            install(record, path);
            EXPECT_TRUE(near_->shell("ping -n -q -c 2 -i 0.01 -W 2 -I 10.1.0.1 10.2.0.1"));
            EXPECT_TRUE(far_->shell("ping -n -q -c 2 -i 0.01 -W 2 -I 2001:db8:2::1 2001:db8:1::1"));
            near_->apply(RemoveSa{record.inbound_spi});
            far_->apply(RemoveSa{record.outbound_spi});
        }
    }
    EXPECT_EQ(near_->counter("packets_out"), 80U);
    EXPECT_EQ(far_->counter("packets_in"), 80U);
}

}  // namespace
}  // namespace anyswan::dataplane
