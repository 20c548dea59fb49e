// SPDX-License-Identifier: Apache-2.0
#include "dataplane/fake/fake_driver.h"

#include <gtest/gtest.h>

#include "dataplane/test_peer.h"

namespace anyswan::dataplane {
namespace {

using esp::testing::datagram;
using esp::testing::far_to_near;
using esp::testing::make_record;
using esp::testing::mirror;
using esp::testing::near_to_far;
using testing::batch;
using testing::grant;

class FakeNetworkTest : public ::testing::Test {
protected:
    FakeNetworkTest() {
        network_.attach(testing::driver_natt.address, near_);
        network_.attach(testing::peer_natt.address, far_);
        near_.apply(batch(AddDomain{"acme"},
                          AddRoute{testing::tunnel_id, *IpPrefix::parse("10.2.0.0/16")},
                          testing::install(record_), grant(record_.inbound_spi, 1, 100)));
        InstallSa other{mirror(record_), testing::peer_natt, testing::driver_natt, true};
        far_.apply(batch(AddDomain{"acme"},
                         AddRoute{testing::tunnel_id, *IpPrefix::parse("10.1.0.0/16")},
                         std::move(other), grant(record_.outbound_spi, 1, 100)));
    }

    SeededRandom random_{1};
    sa::ChildSaRecord record_ = make_record("aes256-sha256");
    FakeDriver near_{{.incarnation = Incarnation(1)}, random_, {}};
    std::vector<IkeDatagram> ike_at_far_;
    FakeDriver far_{{.incarnation = Incarnation(2)},
                    random_,
                    {.on_events = {}, .on_ike = [this](std::vector<IkeDatagram> datagrams) {
                         ike_at_far_ = std::move(datagrams);
                     }}};
    FakeNetwork network_;
};

TEST_F(FakeNetworkTest, CarriesEspBothWays) {
    near_.send_inner("acme", datagram(near_to_far, "there"));
    far_.send_inner("acme", datagram(far_to_near, "and back"));
    EXPECT_EQ(network_.deliver(), 2U);
    EXPECT_EQ(far_.take_inner().at(0).packet, datagram(near_to_far, "there"));
    EXPECT_EQ(near_.take_inner().at(0).packet, datagram(far_to_near, "and back"));
}

TEST_F(FakeNetworkTest, LosesAndMovesWhatTheTestWants) {
    network_.on_packet = [](esp::OuterPacket&) { return false; };
    near_.send_inner("acme", datagram(near_to_far, "lost"));
    EXPECT_EQ(network_.deliver(), 0U);
    network_.on_packet = {};
    FakeDriver third{{.incarnation = Incarnation(3)}, random_, {}};
    network_.attach(testing::peer_natt.address, third);  // anycast moved
    near_.send_inner("acme", datagram(near_to_far, "to the third"));
    EXPECT_EQ(network_.deliver(), 1U);
    EXPECT_TRUE(far_.take_inner().empty());
    EXPECT_EQ(third.counters().at("held_unknown_spi"), 1U);
}

TEST_F(FakeNetworkTest, CarriesIke) {
    near_.send_ike(
        std::vector<IkeDatagram>{{testing::driver_natt, testing::peer_natt, to_bytes("ike")}});
    EXPECT_EQ(network_.deliver(), 1U);
    ASSERT_EQ(ike_at_far_.size(), 1U);
    EXPECT_EQ(ike_at_far_[0].local, testing::peer_natt);
    EXPECT_EQ(ike_at_far_[0].remote, testing::driver_natt);
    EXPECT_EQ(to_string(ike_at_far_[0].bytes), "ike");
}

TEST_F(FakeNetworkTest, RecordsChangesAndStops) {
    ASSERT_EQ(near_.changes().size(), 4U);
    EXPECT_EQ(std::get<InstallSa>(near_.changes()[2]).record, record_);
    near_.stop();
    near_.send_inner("acme", datagram(near_to_far, "never"));
    EXPECT_EQ(network_.deliver(), 0U);
}

}  // namespace
}  // namespace anyswan::dataplane
