// SPDX-License-Identifier: Apache-2.0
// What is the kernel driver's own: sequence numbers in the kernel, restarts, neighbours.
#include <gmock/gmock.h>

#include "dataplane/test_peer.h"
#include "dataplane/xfrm/kernel.h"
#include "dataplane/xfrm/xfrm_host_test.h"

namespace anyswan::dataplane::conformance {
namespace {

using esp::testing::datagram;
using esp::testing::far_to_near;
using esp::testing::make_record;
using esp::testing::near_to_far;
using testing::batch;
using testing::grant;
using ::testing::HasSubstr;
using testing::install;
using ::testing::Not;
using testing::Peer;
using testing::tunnel_id;

constexpr int patience = 500;

class XfrmDriverTest : public ::testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        auto made = XfrmHost::make(GetParam());
        ASSERT_TRUE(made.has_value()) << made.error().message;
        host = std::move(*made);
        add_account();
    }
    void add_account() {
        apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")});
    }
    template <class... Changes>
    void apply(Changes&&... changes) {
        host->driver().apply(batch(std::forward<Changes>(changes)...));
    }
    bool eventually(const std::function<bool()>& done) {
        for (int i = 0; i < patience && !done(); ++i) {
            host->wait_a_little();
        }
        return done();
    }
    std::optional<esp::OuterPacket> next_esp() {
        std::vector<esp::OuterPacket> list;
        eventually([&] {
            host->collect_esp(list);
            return !list.empty();
        });
        return list.empty() ? std::nullopt : std::optional(std::move(list.front()));
    }
    std::optional<Bytes> next_inner() {
        std::vector<Bytes> list;
        eventually([&] {
            host->collect_inner(list);
            return !list.empty();
        });
        return list.empty() ? std::nullopt : std::optional(std::move(list.front()));
    }
    template <class T>
    std::optional<T> next_event() {
        std::optional<T> found;
        eventually([&] {
            std::vector<Event> events;
            host->collect_events(events);
            for (const Event& event : events) {
                if (!found && std::holds_alternative<T>(event)) {
                    found = std::get<T>(event);
                }
            }
            return found.has_value();
        });
        return found;
    }
    std::uint64_t counter(const std::string& name) { return host->driver().counters()[name]; }

    std::unique_ptr<XfrmHost> host;
};

INSTANTIATE_TEST_SUITE_P(XfrmInterface, XfrmDriverTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(XfrmPolicies, XfrmDriverTest, ::testing::Values(true));

TEST_P(XfrmDriverTest, StopsWhereTheGrantEndsAndAsksBefore) {
    const auto record = make_record("aes128gcm16-esn");
    apply(install(record), grant(record.inbound_spi, 100, 107));
    for (int i = 0; i < 5; ++i) {
        host->send_inner(datagram(near_to_far, "x"));
        ASSERT_TRUE(next_esp().has_value());
    }
    const auto asked = next_event<NeedSequence>();
    ASSERT_TRUE(asked.has_value()) << "at half of the grant";
    EXPECT_GE(asked->used_up_to, SequenceNumber(103));
    for (int i = 0; i < 20; ++i) {
        (void)host->try_inner(datagram(near_to_far, "x"));  // the stack may see the state's end
    }
    std::uint32_t highest = 0;
    const auto collect = [&] {
        std::vector<esp::OuterPacket> list;
        host->collect_esp(list);
        for (const auto& outer : list) {
            highest = std::max(highest, wire::esp::read_header(outer.packet.bytes())->sequence_low);
        }
    };
    EXPECT_TRUE(eventually([&] {
        collect();
        return highest == 107;
    }));
    for (int i = 0; i < 20; ++i) {
        host->wait_a_little();
        collect();
    }
    EXPECT_EQ(highest, 107U) << "N2";
    // A new grant, further on: nothing between is used, what waits goes out.
    host->send_inner(datagram(near_to_far, "waits"));
    EXPECT_TRUE(eventually([&] { return counter("waited_for_sequence") > 0; }));
    apply(grant(record.inbound_spi, 5000, 6000));
    const auto sent = next_esp();
    ASSERT_TRUE(sent.has_value());
    EXPECT_GE(wire::esp::read_header(sent->packet.bytes())->sequence_low, 5000U);
}

TEST_P(XfrmDriverTest, AGrantFurtherOnMovesALiveSaForward) {
    const auto record = make_record("aes128gcm16-esn");
    apply(install(record), grant(record.inbound_spi, 1, 1000));
    host->send_inner(datagram(near_to_far, "x"));
    EXPECT_EQ(wire::esp::read_header(next_esp()->packet.bytes())->sequence_low, 1U);
    apply(grant(record.inbound_spi, 0x200000001, 0x200000064));
    Peer peer(record);
    host->send_inner(datagram(near_to_far, "x"));
    const auto sent = next_esp();
    ASSERT_TRUE(sent.has_value());
    EXPECT_EQ(wire::esp::read_header(sent->packet.bytes())->sequence_low, 1U);
    EXPECT_THAT(host->shell("ip -s xfrm state"), HasSubstr("oseq-hi 0x2, oseq 0x1"));
}

TEST_P(XfrmDriverTest, ARestartTouchesNothingAndGoesOn) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, 1000));
    Peer peer(record);
    host->send_inner(datagram(near_to_far, "x"));
    ASSERT_TRUE(peer.open(next_esp()->packet.bytes()).has_value());
    host->shell(
        "ip xfrm state list > /run/states-before; ip xfrm policy list nosock > "
        "/run/policies-before");
    host->restart();
    // Raw ESP and the tunnels go on while the daemon knows nothing yet.
    // (Without the interface there is no route while nobody holds the TUN.)
    const bool by_policies = GetParam();
    if (!by_policies) {
        host->send_inner(datagram(near_to_far, "x"));
        const auto sent = next_esp();
        ASSERT_TRUE(sent && peer.open(sent->packet.bytes())) << "before it knows anything";
    }
    add_account();
    apply(install(record));
    apply(Settled{});
    EXPECT_EQ(counter("adopted_sas"), 1U);
    EXPECT_EQ(counter("netlink_requests"), 0U) << "there was nothing to change";
    EXPECT_EQ(host->shell("ip xfrm policy list nosock | diff - /run/policies-before"), "");
    host->send_inner(datagram(near_to_far, "x"));
    const auto sent = next_esp();
    ASSERT_TRUE(sent.has_value());
    EXPECT_EQ(wire::esp::read_header(sent->packet.bytes())->sequence_low, by_policies ? 2U : 3U)
        << "it counts on";
    const auto asked = next_event<NeedSequence>();
    ASSERT_TRUE(asked.has_value()) << "so that this life holds the lease";
    apply(grant(record.inbound_spi, 2001, 3000));
    host->send_inner(datagram(near_to_far, "x"));
    EXPECT_EQ(wire::esp::read_header(next_esp()->packet.bytes())->sequence_low, 2001U);
}

TEST_P(XfrmDriverTest, ClearsWhatACrashLeftAndNothingElse) {
    const std::string foreign =
        "ip xfrm state add src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x99 reqid 16385 mode tunnel "
        "aead 'rfc4106(gcm(aes))' 0x1111111111111111111111111111111122222222 128 && "
        "ip xfrm policy add src 172.16.0.0/16 dst 172.17.0.0/16 dir out tmpl src 192.0.2.1 dst "
        "192.0.2.9 proto esp reqid 16385 mode tunnel && ip route add 172.17.0.0/16 dev lo";
    host->shell(foreign);
    const auto stays = make_record("aes128gcm16", 0x1000);
    const auto goes = make_record("aes256gcm16", 0x2000);
    apply(install(stays), grant(stays.inbound_spi, 1, 100), install(goes),
          grant(goes.inbound_spi, 1, 100));
    auto other = make_record("aes128gcm16", 0x3000);
    other.tunnel = {"acme", "branch"};
    apply(AddRoute{other.tunnel, *IpPrefix::parse("10.9.0.0/16")}, install(other),
          grant(other.inbound_spi, 1, 100));
    host->restart();
    add_account();
    apply(install(stays), Settled{});
    const std::string states = host->shell("ip xfrm state list");
    EXPECT_THAT(states, HasSubstr("0x00001000"));
    EXPECT_THAT(states, HasSubstr("0x00001001"));
    EXPECT_THAT(states, Not(HasSubstr("0x00002000")));
    EXPECT_THAT(states, Not(HasSubstr("0x00003001")));
    EXPECT_THAT(states, HasSubstr("0x00000099"));
    EXPECT_THAT(host->shell("ip xfrm policy list"), HasSubstr("172.17.0.0/16"));
    EXPECT_THAT(host->shell("ip route show table all"), Not(HasSubstr("10.9.0.0/16")));
    EXPECT_THAT(host->shell("ip route show"), HasSubstr("172.17.0.0/16"));
}

TEST_P(XfrmDriverTest, NamesASpiThatSomebodyElseHas) {
    host->shell(
        "ip xfrm state add src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x1000 reqid 7 mode tunnel "
        "aead 'rfc4106(gcm(aes))' 0x1111111111111111111111111111111122222222 128");
    const auto record = make_record("aes128gcm16");
    apply(install(record));
    const auto failed = next_event<SaFailed>();
    ASSERT_TRUE(failed.has_value());
    EXPECT_THAT(failed->why, HasSubstr("has that SPI"));
    EXPECT_GE(counter("netlink_eexist"), 1U);
    EXPECT_THAT(host->shell("ip xfrm state list"), HasSubstr("reqid 7 "));
    // Tried again, and in force when the other one has let go.
    host->shell("ip xfrm state deleteall spi 0x1000");
    const auto applied = next_event<SaApplied>();
    ASSERT_TRUE(applied.has_value());
    EXPECT_EQ(applied->inbound_spi, record.inbound_spi);
    Peer peer(record);
    host->send_esp(testing::peer_natt, testing::driver_natt,
                   peer.seal(1, datagram(far_to_near, "in")), 0);
    EXPECT_EQ(next_inner(), datagram(far_to_near, "in"));
}

TEST_P(XfrmDriverTest, AnswersThatGotLostAreMadeUpFor) {
    constexpr std::uint32_t count = 40;
    host->restart(1);  // the kernel makes it its minimum: a few answers
    add_account();
    std::vector<Change> changes;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto record = make_record("aes128gcm16", 0x1000 + i * 0x10);
        changes.emplace_back(install(record));
        changes.emplace_back(grant(record.inbound_spi, 1, 1000));
    }
    host->driver().apply(changes);
    EXPECT_GT(counter("netlink_retries"), 0U) << "ENOBUFS";
    EXPECT_EQ(counter("sa_failed"), 0U);
    const std::string states = host->shell("ip xfrm state list");
    std::size_t found = 0;
    for (std::size_t at = 0; (at = states.find("proto esp", at)) != std::string::npos; ++at) {
        ++found;
    }
    EXPECT_EQ(found, 2 * count);
}

TEST(XfrmPoliciesRefusal, SaysWhatTheKernelLacks) {
    xfrm::State state;
    state.id = {*IpAddress::parse("192.0.2.1"), EspSpi(0x1000)};
    state.algorithms.aead = xfrm::Algorithm{"rfc7539esp(chacha20,poly1305)", Secret{}, 128};
    const std::string lacks = xfrm::refusal_text(state, {ENOSYS, "no such algorithm"});
    EXPECT_THAT(lacks, HasSubstr("SPI 00001000 to 192.0.2.1"));
    EXPECT_THAT(lacks, HasSubstr("(no such algorithm); it lacks ESP or rfc7539esp"));
    EXPECT_THAT(lacks, HasSubstr("anyswan doctor"));
    EXPECT_THAT(xfrm::refusal_text(state, {ENOMEM, ""}), HasSubstr("tried again"));
}

TEST_P(XfrmDriverTest, PacketsWaitForTheirSaWhereThereIsAnInterface) {
    const bool by_policies = GetParam();
    ASSERT_EQ(host->holds_unknown_spis(), !by_policies) << host->driver().describe();
    if (by_policies) {
        return;
    }
    struct Way {
        Endpoint remote, local;
    };
    std::uint32_t spi = 0x1000;
    std::uint64_t held = 0;
    for (const Way& way : {Way{testing::peer_natt, testing::driver_natt},
                           Way{{testing::peer_natt.address, 0}, {testing::driver_natt.address, 0}},
                           Way{{esp::testing::address("2001:db8:ff::2"), 4500},
                               {esp::testing::address("2001:db8:ff::1"), 4500}},
                           Way{{esp::testing::address("2001:db8:ff::2"), 0},
                               {esp::testing::address("2001:db8:ff::1"), 0}}}) {
        SCOPED_TRACE(way.remote.to_string());
        const auto record = make_record("aes256gcm16-esn", spi += 0x100);
        Peer peer(record);
        host->send_esp(way.remote, way.local, peer.seal(1, datagram(far_to_near, "early")), 0);
        const auto asked = next_event<UnknownSpi>();
        ASSERT_TRUE(asked.has_value());
        EXPECT_EQ(asked->inbound_spi, record.inbound_spi);
        EXPECT_EQ(asked->remote, way.remote);
        ASSERT_TRUE(eventually([&] { return counter("held_unknown_spi") == held + 1; }));
        held += 1;
        apply(InstallSa{record.clone(), way.local, way.remote, way.remote.port != 0});
        EXPECT_EQ(next_inner(), datagram(far_to_near, "early"));
        host->send_esp(way.remote, way.local, peer.seal(2, datagram(far_to_near, "later")), 0);
        EXPECT_EQ(next_inner(), datagram(far_to_near, "later"));
        // The kernel has it by itself now.
        EXPECT_EQ(counter("held_unknown_spi"), held);
        EXPECT_EQ(counter("returned_unknown_spi"), held);
        apply(RemoveSa{record.inbound_spi});
    }
}

TEST_P(XfrmDriverTest, AStateThatSomebodyRemovedComesToLight) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, 1000));
    host->send_inner(datagram(near_to_far, "x"));
    ASSERT_TRUE(next_esp().has_value());
    host->shell("ip xfrm state deleteall dst 192.0.2.2");
    (void)host->try_inner(datagram(near_to_far, "x"));
    const auto asked = next_event<NeedSequence>();
    ASSERT_TRUE(asked.has_value());
    apply(grant(record.inbound_spi, 1001, 2000));
    host->send_inner(datagram(near_to_far, "x"));
    const auto sent = next_esp();
    ASSERT_TRUE(sent.has_value());
    EXPECT_GE(wire::esp::read_header(sent->packet.bytes())->sequence_low, 1001U) << "N2";
}

TEST_P(XfrmDriverTest, RefusesSpreadWithAnAead) {
    auto record = make_record("aes128gcm16");
    record.sender_rule = sa::SenderRule::spread;
    apply(install(record));
    EXPECT_THAT(next_event<SaFailed>()->why, HasSubstr("repeat an IV"));
}

TEST_P(XfrmDriverTest, CarriesEveryCipher) {
    std::uint32_t spi = 0x1000;
    for (const char* suite :
         {"aes128gcm16", "aes256gcm16-esn", "aes128-sha256", "aes256-sha512-esn", "aes256-sha384",
          "chacha20poly1305-esn", "null-sha256", "null-sha512-esn"}) {
        SCOPED_TRACE(suite);
        const auto record = make_record(suite, spi += 0x100);
        apply(install(record), grant(record.inbound_spi, 1, 1000));
        Peer peer(record);
        host->send_esp(testing::peer_natt, testing::driver_natt,
                       peer.seal(1, datagram(far_to_near, "in")), 0);
        EXPECT_EQ(next_inner(), datagram(far_to_near, "in"));
        host->send_inner(datagram(near_to_far, "out"));
        const auto sent = next_esp();
        ASSERT_TRUE(sent.has_value());
        EXPECT_TRUE(peer.open(sent->packet.bytes()).has_value());
        apply(RemoveSa{record.inbound_spi});
    }
}

}  // namespace
}  // namespace anyswan::dataplane::conformance
