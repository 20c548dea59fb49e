// SPDX-License-Identifier: Apache-2.0
// The driver's worker over a scripted kernel: what the edge hears of refusals, and what a new state
// takes over from the one before it (N1, N2, N3).
#include "dataplane/xfrm/worker.h"

#include <gmock/gmock.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <cerrno>

#include "dataplane/test_peer.h"
#include "dataplane/xfrm/scripted_kernel.h"
#include "net/test_netns.h"

namespace anyswan::dataplane::xfrm {
namespace {

using dataplane::testing::batch;
using dataplane::testing::driver_natt;
using dataplane::testing::grant;
using dataplane::testing::install;
using dataplane::testing::peer_natt;
using dataplane::testing::tunnel_id;
using esp::testing::make_record;
using testing::Fault;
using ::testing::HasSubstr;

constexpr int for_ever = 1'000'000;
const Endpoint peer_elsewhere{esp::testing::address("192.0.2.3"), 7777};

class XfrmWorker : public ::testing::Test {
protected:
    void SetUp() override {
        auto made = net::testing::Netns::make();
        ASSERT_TRUE(made.has_value()) << made.error().message;
        netns.emplace(std::move(*made));
        ASSERT_TRUE(netns->shell("ip addr add 192.0.2.1/32 dev lo"));
        start(Mode::policies);
        add_account();
    }
    void start(Mode mode) {
        worker.reset();
        netns->run([&] {
            XfrmDriverConfig config;
            config.base.local_addresses = {driver_natt.address};
            config.base.raw_esp = false;
            config.retry_interval = 20ms;
            DriverSink sink;
            sink.on_events = [this](std::vector<Event> list) {
                std::ranges::move(list, std::back_inserter(events));
            };
            auto sockets = OuterSockets::open(config.base);
            auto kernel_events = net::NetlinkSocket::open(NETLINK_ROUTE);  // none will come
            auto netlink = net::RouteNetlink::open();
            auto injector = net::RawIpSender::open();
            auto poller = net::Poller::make();
            auto waker = net::Waker::make();
            ASSERT_TRUE(sockets && kernel_events && netlink && injector && poller && waker);
            auto started = Worker::make(std::move(config), std::move(sink),
                                        {std::move(*sockets), std::move(*poller), std::move(*waker),
                                         std::move(*netlink), Kernel(testing::make_channel(script)),
                                         std::move(*kernel_events), std::move(*injector)},
                                        mode);
            ASSERT_TRUE(started.has_value()) << started.error().message;
            worker = std::move(*started);
        });
    }
    void add_account() {
        apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")});
    }
    template <class... Changes>
    void apply(Changes&&... changes) {
        netns->run([&] { worker->apply(batch(std::forward<Changes>(changes)...)); });
    }
    void turns(int count) {
        netns->run([&] {
            for (int i = 0; i < count; ++i) {
                worker->run_once();
            }
        });
    }
    template <class T>
    std::vector<T> take() {
        std::vector<T> found;
        for (const Event& event : std::exchange(events, {})) {
            if (const auto* one = std::get_if<T>(&event)) {
                found.push_back(*one);
            }
        }
        return found;
    }
    std::uint64_t counter(const std::string& name) { return worker->counters()[name]; }
    State& state(const Endpoint& to, std::uint32_t spi) {
        const auto found = script.states.find({to.address, EspSpi(spi)});
        check(found != script.states.end(), "the kernel has no such state");
        return found->second;
    }
    /// The SPI by which IPv4 packets of the tunnel go out; 0: none.
    [[nodiscard]] EspSpi chosen() const {
        for (const auto& [id, policy] : script.policies) {
            if (id.direction == Direction::out && id.selector.destination.address.is_v4()) {
                return policy.required.spi;
            }
        }
        return EspSpi(0);
    }
    /// As the peer's packets leave it.
    static Replay seen(std::uint64_t highest, std::uint32_t window) {
        Replay replay;
        replay.received = SequenceNumber(highest);
        replay.window = window;
        replay.bitmap.resize(window / 32);
        replay.bitmap[0] = 0xa5a5a5a5;
        return replay;
    }

    std::optional<net::testing::Netns> netns;
    testing::Script script;
    std::vector<Event> events;
    std::unique_ptr<Worker> worker;
};

TEST_F(XfrmWorker, ARefusedSaIsReportedOnceAndAppliedWhenTheKernelCan) {
    script.faults = {{XFRM_MSG_NEWSA, ENOSYS, for_ever, false, EspSpi(0x1000)}};
    apply(install(make_record("aes128gcm16", 0x1000)));
    auto failed = take<SaFailed>();
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].inbound_spi, EspSpi(0x1000));
    EXPECT_THAT(failed[0].why, HasSubstr("lacks ESP or rfc4106(gcm(aes))"));
    turns(6);
    EXPECT_GE(counter("sa_refusals"), 2U) << "tried again";
    EXPECT_TRUE(take<SaFailed>().empty()) << "for the same reason: known";
    script.faults = {{XFRM_MSG_NEWSA, ENOSPC, 1}};
    for (int i = 0; i < 40 && script.states.empty(); ++i) {
        turns(1);
        failed.clear();
    }
    const auto all = std::exchange(events, {});
    EXPECT_TRUE(std::ranges::any_of(all, [](const Event& event) {
        const auto* one = std::get_if<SaFailed>(&event);
        return one != nullptr && one->why.find("table of the kernel is full") != std::string::npos;
    })) << "another reason is news";
    EXPECT_TRUE(std::ranges::any_of(
        all, [](const Event& event) { return std::holds_alternative<SaApplied>(event); }));
    EXPECT_EQ(counter("sa_applied_later"), 1U);
    EXPECT_EQ(script.states.size(), 1U);
}

TEST_F(XfrmWorker, AnSaThatCantSendStillReceives) {
    script.faults = {{XFRM_MSG_NEWSA, ENOMEM, for_ever, false, EspSpi(0x1001)}};
    apply(install(make_record("aes128gcm16", 0x1000)), grant(EspSpi(0x1000), 1, 100));
    EXPECT_EQ(take<SaFailed>().size(), 1U);
    EXPECT_TRUE(script.states.contains({driver_natt.address, EspSpi(0x1000)}));
    EXPECT_EQ(chosen(), EspSpi(0));
    script.faults.clear();
    for (int i = 0; i < 40 && chosen() == EspSpi(0); ++i) {
        turns(1);
    }
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    EXPECT_EQ(take<SaApplied>().size(), 1U);
}

TEST_F(XfrmWorker, ARekeyWhosePolicyIsRefusedLeavesTheOldSaInForce) {
    auto before = make_record("aes128gcm16", 0x1000);
    before.published_at = WallTime{1};
    auto after = make_record("aes128gcm16", 0x2000);
    after.published_at = WallTime{2};
    after.replaces = EspSpi(0x1000);
    apply(install(before), grant(EspSpi(0x1000), 1, 100));
    ASSERT_EQ(chosen(), EspSpi(0x1001));
    script.faults = {{XFRM_MSG_UPDPOLICY, ENOSPC, for_ever}};
    apply(install(after), grant(EspSpi(0x2000), 1, 100));
    const auto failed = take<SaFailed>();
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].inbound_spi, EspSpi(0x2000));
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    EXPECT_TRUE(script.states.contains({peer_natt.address, EspSpi(0x1001)}));
    EXPECT_TRUE(script.states.contains({driver_natt.address, EspSpi(0x2000)})) << "it receives";
    script.faults.clear();
    for (int i = 0; i < 40 && chosen() != EspSpi(0x2001); ++i) {
        turns(1);
    }
    EXPECT_EQ(chosen(), EspSpi(0x2001));
}

TEST_F(XfrmWorker, ARefusedUpdateLeavesTheSaAsItWas) {
    apply(install(make_record("aes128gcm16", 0x1000)), grant(EspSpi(0x1000), 1, 100));
    script.faults = {{XFRM_MSG_UPDSA, ENOSPC, 1}};
    apply(grant(EspSpi(0x1000), 101, 200));
    EXPECT_TRUE(take<SaFailed>().empty());
    EXPECT_EQ(state(peer_natt, 0x1001).limits.hard_packets, 100U) << "N2: fewer, never more";
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    for (int i = 0; i < 40 && state(peer_natt, 0x1001).limits.hard_packets != 200; ++i) {
        turns(1);
    }
    EXPECT_EQ(state(peer_natt, 0x1001).limits.hard_packets, 200U) << "later";
}

TEST_F(XfrmWorker, AnOutboundStateThatSomebodyRemovedGetsNewNumbers) {
    apply(install(make_record("aes128gcm16", 0x1000)), grant(EspSpi(0x1000), 1, 100));
    script.states.erase({peer_natt.address, EspSpi(0x1001)});
    apply(grant(EspSpi(0x1000), 101, 200));
    EXPECT_FALSE(take<NeedSequence>().empty());
    EXPECT_EQ(chosen(), EspSpi(0)) << "N2: which of its numbers were used nobody knows";
    apply(grant(EspSpi(0x1000), 201, 300));
    EXPECT_EQ(state(peer_natt, 0x1001).replay.sent, SequenceNumber(200));
}

TEST_F(XfrmWorker, AGrantFurtherOnMovesTheNumbersForwardAndNoneMovesThemBack) {
    apply(install(make_record("aes128gcm16-esn", 0x1000)), grant(EspSpi(0x1000), 1, 100));
    state(peer_natt, 0x1001).replay.sent = SequenceNumber(40);
    apply(grant(EspSpi(0x1000), 5001, 6000));
    EXPECT_EQ(state(peer_natt, 0x1001).replay.sent, SequenceNumber(5000));
    // The kernel has counted further than a late grant begins: N1 rests on it never going back.
    state(peer_natt, 0x1001).replay.sent = SequenceNumber(9000);
    apply(grant(EspSpi(0x1000), 7001, 8000));
    EXPECT_GE(state(peer_natt, 0x1001).replay.sent, SequenceNumber(9000)) << "N1";
}

TEST_F(XfrmWorker, AMovedPeersNewStatesGoOnWhereTheOldOnesWere) {
    const auto record = make_record("aes128gcm16-esn", 0x1000);
    InstallSa plain = install(record);
    plain.udp_encapsulation = false;
    apply(std::move(plain), grant(EspSpi(0x1000), 1, 1000));
    const std::uint32_t window = state(driver_natt, 0x1000).replay.window;
    const Replay before = seen(0x100000123, window);
    state(driver_natt, 0x1000).replay = before;
    state(peer_natt, 0x1001).replay.sent = SequenceNumber(77);
    // ESP in UDP from now on: both states have to be made anew.
    apply(MoveEndpoint{record.ike_spi, driver_natt, peer_elsewhere, true});
    const Replay& after = state(driver_natt, 0x1000).replay;
    EXPECT_EQ(after.received, before.received) << "N3";
    EXPECT_EQ(after.bitmap, before.bitmap) << "N3: what it has seen stays seen";
    EXPECT_FALSE(script.states.contains({peer_natt.address, EspSpi(0x1001)}));
    EXPECT_GE(state(peer_elsewhere, 0x1001).replay.sent, SequenceNumber(77)) << "N1, N2";
    EXPECT_LE(state(peer_elsewhere, 0x1001).replay.sent.value() +
                  state(peer_elsewhere, 0x1001).limits.hard_packets,
              1000U)
        << "N2: the grant ends where it ended";
}

TEST_F(XfrmWorker, TheTroubleOfOneSaLeavesTheOthersAlone) {
    apply(install(make_record("aes128gcm16-esn", 0x1000)), grant(EspSpi(0x1000), 1, 100));
    const Replay before = seen(500, state(driver_natt, 0x1000).replay.window);
    state(driver_natt, 0x1000).replay = before;
    script.faults = {{XFRM_MSG_UPDPOLICY, ENOSPC, 1}};
    auto wider = make_record("aes128gcm16-esn", 0x2000);
    wider.remote_ts = esp::testing::selectors({"10.2.0.0/16", "10.3.0.0/16"});
    apply(install(wider));
    ASSERT_EQ(take<SaFailed>().size(), 1U);
    EXPECT_EQ(state(driver_natt, 0x1000).replay, before) << "N3";
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    const StateId inbound{driver_natt.address, EspSpi(0x2000)};
    for (int i = 0; i < 40 && !script.states.contains(inbound); ++i) {
        turns(1);
    }
    EXPECT_TRUE(script.states.contains(inbound));
    EXPECT_EQ(state(driver_natt, 0x1000).replay, before) << "N3";
}

TEST_F(XfrmWorker, AnotherModeAfterARestartTakesOverWhatCounts) {
    const auto record = make_record("aes128gcm16-esn", 0x1000);
    apply(install(record), grant(EspSpi(0x1000), 1, 1000));
    const std::uint32_t window = state(driver_natt, 0x1000).replay.window;
    for (auto& [id, one] : script.states) {
        one.if_id = one.reqid;  // as the way with an interface has them
    }
    state(driver_natt, 0x1000).replay = seen(321, window);
    state(peer_natt, 0x1001).replay.sent = SequenceNumber(900);
    start(Mode::policies);
    add_account();
    apply(install(record), Settled{});
    EXPECT_EQ(state(driver_natt, 0x1000).if_id, 0U);
    EXPECT_EQ(state(driver_natt, 0x1000).replay, seen(321, window)) << "N3";
    EXPECT_FALSE(script.states.contains({peer_natt.address, EspSpi(0x1001)}));
    EXPECT_FALSE(take<NeedSequence>().empty());
    apply(grant(EspSpi(0x1000), 1, 2000));  // the lease of the same edge, extended
    EXPECT_GE(state(peer_natt, 0x1001).replay.sent, SequenceNumber(900)) << "N2";
}

}  // namespace
}  // namespace anyswan::dataplane::xfrm
