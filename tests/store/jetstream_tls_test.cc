// SPDX-License-Identifier: Apache-2.0
// The JetStream store over TLS with client certificates, made by the openssl program for each run.
#include <cstdlib>

#include "jetstream_under_test.h"

namespace anyswan::store {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

namespace {

using namespace std::chrono_literals;

/// A CA, certificates of a server "localhost" and of a client, and another CA.
class Pki {
public:
    Pki() {
        make_ca("ca");
        make_ca("other");
        issue("server", "localhost");
        issue("elsewhere", "elsewhere.example");
        issue("client", "edge-1.fleet.example");
    }
    [[nodiscard]] std::string path(const std::string& name) const { return folder_.path() / name; }

private:
    void run(const std::string& command) const {
        const std::string line =
            "cd " + folder_.path().string() + " && openssl " + command + " 2>>log";
        EXPECT_EQ(std::system(line.c_str()), 0) << "openssl " << command;
    }
    void make_ca(const std::string& name) const {
        run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" +
            name + " -keyout " + name + ".key -out " + name + ".pem");
    }
    void issue(const std::string& name, const std::string& host) const {
        run("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + host +
            " -addext subjectAltName=DNS:" + host + " -keyout " + name + ".key -out " + name +
            ".csr");
        run("x509 -req -in " + name + ".csr -days 2 -copy_extensions copy -CA ca.pem -CAkey " +
            "ca.key -CAcreateserial -out " + name + ".pem");
    }
    TemporaryFolder folder_;
};

class JetStreamTls : public testing::Test {
protected:
    JetStreamConfig config() const {
        JetStreamConfig made;
        made.urls = {"tls://localhost:" + std::to_string(server_.port())};
        made.fleet = "fleet";
        made.ca_file = pki_.path("ca.pem");
        made.certificate_file = pki_.path("client.pem");
        made.key_file = pki_.path("client.key");
        return made;
    }
    /// What a store with this configuration says when it can't connect.
    std::string refusal(JetStreamConfig with) {
        auto store = open_jetstream(std::move(with), loop_);
        EXPECT_TRUE(
            loop_.run_until([&] { return store->link_state() == LinkState::disconnected; }, 10s));
        return store->describe();
    }

    const Pki pki_;
    NatsServer server_{system_nats_server(), "tls.conf.in", "tls", {{"PKI", pki_.path("")}}};
    TestLoop loop_;
};

TEST_F(JetStreamTls, ACertificateIsAUserAndTheLinkWorks) {
    server_.start();
    auto store = open_jetstream(config(), loop_);
    ASSERT_TRUE(wait_connected(loop_, *store)) << store->describe();
    EXPECT_TRUE(put(loop_, *store, "k", "v").has_value());
    server_.kill();
    ASSERT_TRUE(loop_.run_until([&] { return store->link_state() == LinkState::disconnected; }));
    server_.start();
    EXPECT_TRUE(wait_connected(loop_, *store)) << "TLS again after a restart";
}

TEST_F(JetStreamTls, AServerOfAnotherAuthorityOrNameIsNotTrusted) {
    server_.start();
    JetStreamConfig other = config();
    other.ca_file = pki_.path("other.pem");
    std::string reason = refusal(std::move(other));
    EXPECT_NE(reason.find("certificate"), std::string::npos) << reason;
    std::filesystem::copy_file(pki_.path("elsewhere.pem"), pki_.path("server.pem"),
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(pki_.path("elsewhere.key"), pki_.path("server.key"),
                               std::filesystem::copy_options::overwrite_existing);
    server_.kill();
    server_.start();
    // A certificate of elsewhere.example for localhost.
    reason = refusal(config());
    EXPECT_NE(reason.find("mismatch"), std::string::npos) << reason;
}

TEST_F(JetStreamTls, AClientWithoutACertificateIsRefused) {
    server_.start();
    JetStreamConfig anonymous = config();
    anonymous.certificate_file.clear();
    anonymous.key_file.clear();
    const std::string reason = refusal(std::move(anonymous));
    EXPECT_NE(reason.find("connect to tls://localhost"), std::string::npos) << reason;
}

TEST_F(JetStreamTls, AMissingFileIsNamed) {
    JetStreamConfig missing = config();
    missing.ca_file = pki_.path("nowhere.pem");
    EXPECT_NE(refusal(std::move(missing)).find("CA file"), std::string::npos);
    JetStreamConfig half = config();
    half.key_file.clear();
    EXPECT_FALSE(JetStreamStore::open(std::move(half), loop_.executor()).has_value());
}

}  // namespace
}  // namespace anyswan::store
