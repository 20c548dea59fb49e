// SPDX-License-Identifier: Apache-2.0
#include "edge/crls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/crypto/test_pki.h"

namespace anyswan::edge {
namespace {

using crypto::test::Issued;
using crypto::test::make_crl;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* url = "http://ca.example/ca.crl";

class CrlsTest : public testing::Test {
protected:
    CrlsTest() {
        sa::TunnelRecord tunnel;
        tunnel.id = {"acme", "hq"};
        tunnel.credentials.crl_urls = {url};
        tunnel.credentials.crls = {to_bytes(as_bytes("configured"))};
        tunnel.credentials.anchors = {{to_bytes(root_.certificate), root_.parsed().key_hash()}};
        tunnels_.put(std::move(tunnel));
    }
    void pass(Duration time) {
        for (Duration done{}; done < time; done += 1s) {
            now_.instant = now_.instant + 1s;
            now_.wall.unix_ns += Duration(1s).count();
            crls_.look(now_);
        }
    }
    void answer(Result<Bytes> body) {
        auto done = std::move(asked_.front());
        asked_.erase(asked_.begin());
        done(std::move(body));
    }
    /// As the store brings our own fact back.
    void store() { crls_.on_record(put_.back()); }
    [[nodiscard]] const std::vector<Bytes>& lists() const {
        return tunnels_.by_id({"acme", "hq"})->credentials.crls;
    }

    Issued root_ = crypto::test::self_signed({.subject = "CN=root", .ca = true});
    SeededRandom random_{3};
    TunnelTable tunnels_;
    std::vector<Crls::Fetched> asked_;
    std::vector<std::string> urls_;
    std::vector<sa::CrlRecord> put_;
    Now now_{Instant{1h}, crypto::test::test_now};
    Crls crls_{{random_, tunnels_,
                [this](const std::string& from, Crls::Fetched done) {
                    urls_.push_back(from);
                    asked_.push_back(std::move(done));
                },
                [this](sa::CrlRecord record) { put_.push_back(std::move(record)); },
                [this] { return now_; }}};
};

TEST_F(CrlsTest, AListIsFetchedAndReachesTheTunnel) {
    pass(1s);
    EXPECT_THAT(asked_, IsEmpty()) << "the store may have it";
    pass(5s);
    ASSERT_THAT(urls_, ElementsAre(url));
    const Bytes list = make_crl(root_, {});
    answer(list);
    ASSERT_THAT(put_, SizeIs(1));
    store();
    EXPECT_THAT(lists(), ElementsAre(to_bytes(as_bytes("configured")), list));
    pass(1h);
    EXPECT_THAT(asked_, IsEmpty()) << "it is good for 30 days";
    pass(27h);
    EXPECT_THAT(asked_, SizeIs(1)) << "looked at once a day";
}

TEST_F(CrlsTest, AListThatAnotherEdgeFetchedIsNotFetchedAgain) {
    crls_.on_record({url, make_crl(root_, {}), now_.wall, false});
    pass(1h);
    EXPECT_THAT(asked_, IsEmpty());
    EXPECT_THAT(lists(), SizeIs(2));
}

TEST_F(CrlsTest, FailuresAreRetriedEverMoreSeldom) {
    pass(5s);
    answer(fail("Connection refused"));
    pass(29s);
    EXPECT_THAT(asked_, IsEmpty());
    pass(10s);
    ASSERT_THAT(asked_, SizeIs(1));
    answer(to_bytes(as_bytes("<html>")));
    pass(59s);
    EXPECT_THAT(asked_, IsEmpty());
    pass(20s);
    ASSERT_THAT(asked_, SizeIs(1));
    answer(make_crl(root_, {}));
    EXPECT_THAT(put_, SizeIs(1));
    EXPECT_EQ(crls_.counters().at("crl_fetch_failed"), 2U);
    EXPECT_THAT(lists(), SizeIs(1)) << "until the fact is there";
}

TEST_F(CrlsTest, AnAlteredOrOlderListIsNotTaken) {
    pass(5s);
    Issued impostor = crypto::test::self_signed({.subject = "CN=root", .ca = true});
    answer(make_crl(impostor, {}));
    EXPECT_THAT(put_, IsEmpty());
    EXPECT_EQ(crls_.counters().at("crl_fetch_failed"), 1U);
}

TEST_F(CrlsTest, ATunnelThatIsAppliedAgainKeepsWhatWasFetched) {
    crls_.on_record({url, make_crl(root_, {}), now_.wall, false});
    sa::TunnelRecord again = tunnels_.by_id({"acme", "hq"})->clone();
    again.credentials.crls.clear();
    tunnels_.put(std::move(again));
    EXPECT_THAT(lists(), SizeIs(1));
    sa::TunnelRecord without = tunnels_.by_id({"acme", "hq"})->clone();
    without.credentials.crls.clear();
    without.credentials.crl_urls.clear();
    tunnels_.put(std::move(without));
    EXPECT_THAT(lists(), IsEmpty());
}

TEST_F(CrlsTest, PointsCountOnlyForTunnelsThatGoByThem) {
    const std::string point = "http://ca.example/branch.crl";
    crls_.want(point);
    pass(5s);
    EXPECT_THAT(urls_, ElementsAre(url));
    sa::TunnelRecord tunnel;
    tunnel.id = {"acme", "branch"};
    tunnel.credentials.crl_points = true;
    tunnels_.put(std::move(tunnel));
    pass(5s);
    EXPECT_THAT(urls_, ElementsAre(url, point));
}

}  // namespace
}  // namespace anyswan::edge
