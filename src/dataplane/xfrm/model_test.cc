// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/model.h"

#include <gtest/gtest.h>

#include "dataplane/test_peer.h"

namespace anyswan::dataplane::xfrm {
namespace {

using esp::testing::address;
using esp::testing::make_record;
using testing::install;
using testing::tunnel_id;

constexpr WallTime now{1'000'000'000'000};

sa::ChildSaRecord record_of(std::string_view suite, std::uint32_t spi, std::int64_t published) {
    auto record = make_record(suite, spi);
    record.published_at = WallTime{published};
    return record;
}

class XfrmModel : public ::testing::Test {
protected:
    void SetUp() override {
        model.add_domain("acme");
        Tunnel& tunnel = model.tunnel(tunnel_id);
        tunnel.prefixes.insert(*IpPrefix::parse("10.2.0.0/16"));
        model.find_domain("acme")->prefixes[*IpPrefix::parse("10.2.0.0/16")].insert(&tunnel);
    }
    Sa& add(const sa::ChildSaRecord& record) { return **model.install(install(record), now); }
    static void grant(Sa& sa, std::uint64_t first, std::uint64_t last) {
        sa.numbers = OutboundNumbers{first - 1, last, (last - first + 1) / 2, false};
    }
    [[nodiscard]] Contents wanted() const { return model.wanted(*model.find_tunnel(tunnel_id)); }
    /// The SPI that IPv4 packets to 10.2.0.0/16 go out by; 0: none.
    [[nodiscard]] EspSpi chosen() const {
        for (const auto& [id, policy] : wanted().policies) {
            if (id.direction == Direction::out && id.selector.destination.address.is_v4()) {
                return policy.required.spi;
            }
        }
        return EspSpi(0);
    }

    Model model{ModelOptions{}};
};

TEST_F(XfrmModel, AnSaHasAnOutboundStateOnlyWhileItHasNumbers) {
    Sa& sa = add(record_of("aes128gcm16-esn", 0x1000, 1));
    Contents contents = wanted();
    EXPECT_EQ(contents.states.size(), 1U);
    EXPECT_EQ(contents.policies.size(), 4U) << "in and forward, two families";
    EXPECT_EQ(model.carrier(*sa.tunnel->domain, *IpPrefix::parse("10.2.0.0/16")), nullptr);
    grant(sa, 1001, 2000);
    contents = wanted();
    ASSERT_EQ(contents.states.size(), 2U);
    const State& out = contents.states.at({address("192.0.2.2"), EspSpi(0x1001)});
    EXPECT_EQ(out.replay.sent, SequenceNumber(1000));
    EXPECT_EQ(out.limits.hard_packets, 1000U) << "N2: the kernel stops where the grant ends";
    EXPECT_EQ(out.limits.soft_packets, 500U);
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    EXPECT_EQ(model.carrier(*sa.tunnel->domain, *IpPrefix::parse("10.2.0.0/16")), sa.tunnel);
    sa.numbers.reset();
    EXPECT_EQ(wanted().states.size(), 1U);
    EXPECT_EQ(chosen(), EspSpi(0));
}

TEST_F(XfrmModel, SendsOnTheNewestThatMaySend) {
    Sa& old_one = add(record_of("aes128gcm16", 0x1000, 1));
    Sa& new_one = add(record_of("aes128gcm16", 0x2000, 2));
    grant(old_one, 1, 100);
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    grant(new_one, 1, 100);
    EXPECT_EQ(chosen(), EspSpi(0x2001));
    new_one.draining_until = Instant{};
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    EXPECT_TRUE(wanted().states.contains({address("192.0.2.1"), EspSpi(0x2000)}))
        << "what is under way is received";
}

TEST_F(XfrmModel, ARekeyByThePeerWaitsForItsFirstPacket) {
    Sa& before = add(record_of("aes128gcm16", 0x1000, 1));
    auto record = record_of("aes128gcm16", 0x2000, 2);
    record.replaces = EspSpi(0x1000);
    record.outbound_waits = true;
    Sa& after = add(record);
    grant(before, 1, 100);
    grant(after, 1, 100);
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    EXPECT_EQ(model.inbound_state(after).reports->packets, 1U) << "reported at once";
    after.waits = false;
    EXPECT_EQ(chosen(), EspSpi(0x2001));
    after.waits = true;
    before.draining_until = Instant{};
    EXPECT_EQ(chosen(), EspSpi(0x2001));
}

TEST_F(XfrmModel, AFurtherSaLetsOthersGoFirst) {
    auto record = record_of("aes128gcm16", 0x1000, 1);
    record.outbound_waits = true;
    Sa& first = add(record);
    EXPECT_FALSE(first.waits) << "there is no other";
    record = record_of("aes128gcm16", 0x2000, 2);
    record.outbound_waits = true;
    Sa& second = add(record);
    EXPECT_TRUE(second.waits);
    grant(second, 1, 100);
    EXPECT_EQ(chosen(), EspSpi(0x2001)) << "the other has no numbers";
    grant(first, 1, 100);
    EXPECT_EQ(chosen(), EspSpi(0x1001));
    second.waits = false;
    EXPECT_EQ(chosen(), EspSpi(0x2001));
}

TEST_F(XfrmModel, RefusesSpreadWithAnAead) {
    auto record = record_of("aes128gcm16", 0x1000, 1);
    record.sender_rule = sa::SenderRule::spread;
    const auto refused = model.install(install(record), now);
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().message.find("repeat an IV"), std::string::npos);
    auto cbc = record_of("aes256-sha256", 0x1000, 1);
    cbc.sender_rule = sa::SenderRule::spread;
    EXPECT_TRUE(add(cbc).may_send()) << "random IVs: every edge may count for itself";
}

TEST_F(XfrmModel, NumbersAreTheSameAfterARestart) {
    Model other{ModelOptions{}};
    other.add_domain("zulu");
    other.add_domain("acme");
    EXPECT_EQ(other.find_domain("acme")->table, model.find_domain("acme")->table);
    EXPECT_EQ(other.tunnel(tunnel_id).number, model.find_tunnel(tunnel_id)->number);
    EXPECT_TRUE(is_own(other.tunnel(tunnel_id).number));
}

TEST_F(XfrmModel, WithoutAnInterfaceMarksTellDomainsApart) {
    Model plain{ModelOptions{.mode = Mode::policies}};
    plain.add_domain("acme");
    (void)plain.install(install(record_of("aes128gcm16", 0x1000, 1)), now);
    const Contents contents = plain.wanted(*plain.find_tunnel(tunnel_id));
    for (const auto& [id, policy] : contents.policies) {
        EXPECT_EQ(id.if_id, 0U);
        EXPECT_EQ(id.mark.value, plain.find_domain("acme")->table);
    }
    EXPECT_EQ(contents.states.begin()->second.if_id, 0U);
}

TEST_F(XfrmModel, WithoutAnInterfaceTheLongerPrefixGoesFirst) {
    Model plain{ModelOptions{.mode = Mode::policies}};
    plain.add_domain("acme");
    auto wide = record_of("aes128gcm16", 0x1000, 1);
    wide.tunnel = {"acme", "everywhere"};
    wide.remote_ts = esp::testing::selectors({"10.0.0.0/8"});
    auto narrow = record_of("aes128gcm16", 0x2000, 1);
    narrow.tunnel = {"acme", "branch"};
    narrow.remote_ts = esp::testing::selectors({"10.2.0.0/16"});
    for (const sa::ChildSaRecord* record : {&wide, &narrow}) {
        grant(**plain.install(install(*record), now), 1, 100);
    }
    const auto priority = [&](const sa::TunnelId& id, Direction direction) {
        for (const auto& [policy_id, policy] : plain.wanted(*plain.find_tunnel(id)).policies) {
            if (policy_id.direction == direction) {
                return policy.priority;
            }
        }
        return 0U;
    };
    for (const Direction direction : {Direction::in, Direction::out}) {
        EXPECT_LT(priority(narrow.tunnel, direction), priority(wide.tunnel, direction));
    }
}

TEST_F(XfrmModel, AGrantLeavesInboundPoliciesAlone) {
    Sa& sa = add(record_of("aes128gcm16", 0x1000, 1));
    const Contents before = wanted();
    grant(sa, 1, 100);
    const Contents after = wanted();
    for (const Policy* policy : diff(before, after).policies) {
        EXPECT_EQ(policy->id.direction, Direction::out);
    }
}

Contents copy_of(const Contents& contents) {
    Contents copy;
    for (const auto& [id, state] : contents.states) {
        copy.states.emplace(id, clone(state));
    }
    copy.policies = contents.policies;
    return copy;
}

TEST_F(XfrmModel, DiffOfWhatIsThereIsEmpty) {
    grant(add(record_of("aes128gcm16-esn", 0x1000, 1)), 1, 100);
    EXPECT_TRUE(diff(wanted(), wanted()).empty());
    // The kernel counts on, and a dump shows it.
    Contents present = wanted();
    for (auto& [id, state] : present.states) {
        state.replay.sent = SequenceNumber(77);
        state.packets = 77;
        state.limits.hard_age_s = 3;
        state.reports.reset();
    }
    EXPECT_TRUE(diff(present, wanted()).empty()) << "a restart touches nothing";
}

TEST_F(XfrmModel, DiffGoesOnlyAsFarAsItMust) {
    Sa& sa = add(record_of("aes128gcm16-esn", 0x1000, 1));
    grant(sa, 1, 100);
    const Contents before = wanted();
    const Steps fresh = diff({}, before);
    EXPECT_EQ(fresh.add.size(), 2U);
    EXPECT_EQ(fresh.policies.size(), 6U);
    EXPECT_NE(fresh.policies.front()->id.direction, Direction::out);
    EXPECT_EQ(fresh.policies.back()->id.direction, Direction::out);
    sa.numbers->last = 300;
    const Contents extended = wanted();
    const Steps steps = diff(before, extended);
    EXPECT_EQ(steps.update.size(), 1U);
    EXPECT_TRUE(steps.add.empty() && steps.policies.empty() && steps.remove_states.empty());
    const Steps gone = diff(before, {});
    EXPECT_EQ(gone.remove_states.size(), 2U);
    EXPECT_EQ(gone.remove_policies.size(), 6U);
}

TEST_F(XfrmModel, DiffReplacesAStateWithAnotherKey) {
    add(record_of("aes128gcm16", 0x1000, 1));
    Contents present = copy_of(wanted());
    present.states.begin()->second.algorithms.aead->key.writable()[0] ^= 1;
    const Contents want = wanted();
    const Steps steps = diff(present, want);
    EXPECT_EQ(steps.replace.size(), 1U);
    EXPECT_EQ(steps.add.size(), 1U);
}

TEST_F(XfrmModel, AMoveChangesTheOutboundSideAlone) {
    Sa& sa = add(record_of("aes128gcm16", 0x1000, 1));
    grant(sa, 1, 1000);
    const Contents before = wanted();
    model.move(sa, sa.local, {address("192.0.2.3"), 7777}, true);
    const Contents after = wanted();
    const Steps steps = diff(before, after);
    ASSERT_EQ(steps.add.size(), 1U);
    EXPECT_EQ(steps.add[0]->id.destination, address("192.0.2.3"));
    EXPECT_EQ(steps.add[0]->encapsulation->destination_port, 7777);
    EXPECT_EQ(steps.policies.size(), 2U) << "outbound, two families";
    EXPECT_EQ(steps.remove_states.size(), 1U);
    EXPECT_TRUE(steps.replace.empty() && steps.update.empty());
    EXPECT_EQ(model.find_outbound({address("192.0.2.3"), EspSpi(0x1001)}), &sa);
}

}  // namespace
}  // namespace anyswan::dataplane::xfrm
