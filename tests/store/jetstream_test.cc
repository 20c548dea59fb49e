// SPDX-License-Identifier: Apache-2.0
// The JetStream store against a real server: the conformance suite.
#include "jetstream_under_test.h"

namespace anyswan::store {
namespace {

/// One server for all tests of this program; each has a fleet of its own.
const NatsServer& shared_server() {
    static const std::unique_ptr<NatsServer> server = [] {
        auto made = make_single_server();
        made->start();
        return made;
    }();
    return *server;
}

INSTANTIATE_TEST_SUITE_P(JetStream, StoreConformance,
                         testing::Values(StoreMaker{"jetstream", [] {
                                                        return std::make_unique<JetStreamUnderTest>(
                                                            shared_server());
                                                    }}));

}  // namespace
}  // namespace anyswan::store
