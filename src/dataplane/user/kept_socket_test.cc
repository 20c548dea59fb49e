// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/bytes.h"
#include "net/datagram_socket.h"
#include "net/poller.h"

namespace anyswan::net {
namespace {

TEST(KeptSockets, GoOnWithWhatCameMeanwhile) {
    for (const char* address : {"127.0.0.1", "::1"}) {
        SCOPED_TRACE(address);
        auto sender = DatagramSocket::open_udp({*IpAddress::parse(address), 0});
        auto first = DatagramSocket::open_udp({*IpAddress::parse(address), 0});
        ASSERT_TRUE(sender && first);
        const Endpoint local = first->local();
        Fd kept(dup(first->fd()));
        first = fail("the daemon's life ends");
        const OutgoingDatagram datagram{as_bytes("meanwhile"), sender->local(), local, 0};
        ASSERT_EQ(sender->send({&datagram, 1}), 0U);
        auto next = DatagramSocket::adopt_udp(std::move(kept), local);
        ASSERT_TRUE(next) << next.error().message;
        EXPECT_EQ(next->local(), local);
        Bytes space(64);
        IncomingDatagram incoming;
        incoming.space = space;
        auto poller = Poller::make();
        ASSERT_TRUE(poller && poller->add(next->fd(), 0));
        (void)poller->wait(5s);
        ASSERT_EQ(next->receive({&incoming, 1}), 1U);
        EXPECT_EQ(to_bytes(incoming.payload), to_bytes(as_bytes("meanwhile")));
        EXPECT_EQ(incoming.local.address, local.address) << "its options are still set";
        EXPECT_EQ(incoming.remote, sender->local());
    }
}

TEST(KeptSockets, AnotherAddressIsRefused) {
    auto socket = DatagramSocket::open_udp({*IpAddress::parse("127.0.0.1"), 0});
    ASSERT_TRUE(socket);
    Endpoint other = socket->local();
    other.address = *IpAddress::parse("127.0.0.2");
    const auto adopted = DatagramSocket::adopt_udp(Fd(dup(socket->fd())), other);
    ASSERT_FALSE(adopted);
    EXPECT_NE(adopted.error().message.find("127.0.0.2"), std::string::npos);
}

}  // namespace
}  // namespace anyswan::net
