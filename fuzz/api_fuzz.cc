// SPDX-License-Identifier: Apache-2.0
// Any bytes as an API request: "METHOD PATH", a line feed, the body. The edge that is asked has not
// reached its store yet. Each request gets one answer, in text that a client can read.
#include "api/json.h"
#include "api/routes.h"
#include "base/check.h"
#include "edge/machine.h"
#include "targets.h"

namespace {

using namespace anyswan;

config::EdgeConfig config_of() {
    config::EdgeConfig config;
    config.name = "ams1";
    config.id = EdgeId(1);
    config.store = config::MemoryStore{};
    config.fleet_keys.current = 1;
    config.fleet_keys.keys.emplace(1, Secret(Bytes(32, 7)));
    return config;
}

api::Request request_of(const std::string& text) {
    const std::size_t line = std::min(text.find('\n'), text.size());
    const std::size_t space = std::min(text.find(' '), line);
    return {text.substr(0, space),
            text.substr(std::min(space + 1, line), line - std::min(space + 1, line)),
            text.substr(std::min(line + 1, text.size()))};
}

void check_answer(const api::Response& response) {
    check(response.status >= 200 && response.status < 600, "an HTTP status");
    check(response.content_type != "application/json" ||
              !api::Json::parse(response.body, nullptr, false).is_discarded(),
          "an answer is JSON");
}

/// What /v1/sas/SPI names, with two IKE SAs there.
void order(const std::string& spi) {
    ike::IkeSaSummary row;
    row.our_spi = IkeSpi(0x0001000200030004);
    row.state = "established";
    row.children.push_back({EspSpi(0x1000), {}, false});
    for (const edge::SaOrder order : {edge::SaOrder::rekey, edge::SaOrder::end}) {
        (void)edge::order_input(order, spi, {row, row});
    }
}

}  // namespace

int anyswan::fuzz::fuzz_api(const std::uint8_t* data, std::size_t size) {
    static edge::Machine machine;
    static edge::Edge edge(machine, config_of(), std::nullopt);
    const api::Request request = request_of(to_string(ByteView(data, size)));
    int answers = 0;
    api::answer(edge, request, [&](const api::Response& response) {
        ++answers;
        check_answer(response);
    });
    check(answers == 1, "each request gets one answer");
    order(request.path);
    const auto capture = api::read_capture_json(request.body);
    if (capture) {
        check(api::read_capture_json(api::capture_json(*capture).dump()) == capture,
              "a capture comes back as it was");
    }
    return 0;
}
