// SPDX-License-Identifier: Apache-2.0
#include "dataplane/forward/counter_names.h"

namespace anyswan::dataplane {

namespace {

struct Row {
    const char* name;
    std::uint64_t ForwarderCounts::*value;
};

constexpr Row rows[] = {
    {"packets_in", &ForwarderCounts::packets_in},
    {"bytes_in", &ForwarderCounts::bytes_in},
    {"packets_out", &ForwarderCounts::packets_out},
    {"bytes_out", &ForwarderCounts::bytes_out},
    {"held_unknown_spi", &ForwarderCounts::held_unknown_spi},
    {"waited_for_sequence", &ForwarderCounts::waited_for_sequence},
    {"too_big_sent", &ForwarderCounts::too_big_sent},
    {"mss_clamped", &ForwarderCounts::mss_clamped},
    {"endpoint_moves", &ForwarderCounts::endpoint_moves},
};
static_assert(std::size(rows) * sizeof(std::uint64_t) == sizeof(ForwarderCounts),
              "every count has a name");

std::vector<std::string> make_names() {
    std::vector<std::string> names;
    for (const Row& row : rows) {
        names.emplace_back(row.name);
    }
    for (std::size_t i = 0; i < esp::drop_reason_count; ++i) {
        names.push_back(std::string("drop_") + esp::name(static_cast<esp::DropReason>(i)));
    }
    return names;
}

}  // namespace

const std::vector<std::string>& forwarder_counter_names() {
    static const std::vector<std::string> names = make_names();
    return names;
}

void append_counter_values(const Forwarder& forwarder, std::vector<std::uint64_t>& values) {
    for (const Row& row : rows) {
        values.push_back(forwarder.counts().*row.value);
    }
    values.insert(values.end(), forwarder.drops().begin(), forwarder.drops().end());
}

std::map<std::string, std::uint64_t> counter_map(const Forwarder& forwarder) {
    std::vector<std::uint64_t> values;
    append_counter_values(forwarder, values);
    std::map<std::string, std::uint64_t> map;
    for (std::size_t i = 0; i < values.size(); ++i) {
        map[forwarder_counter_names()[i]] = values[i];
    }
    return map;
}

}  // namespace anyswan::dataplane
