// SPDX-License-Identifier: Apache-2.0
// How long a fact takes from put to every watcher, and to its acknowledgement, per kind of store.
// JetStream runs against one real server that this program starts on loopback.
//
//   bench_store [watchers [puts-per-second [puts]]]      default: 10 100 1000
//
// All clients share one loop thread, so on a small machine the numbers grow with the watchers.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "nats_server.h"
#include "store/memory/memory.h"
#include "store/open.h"
#include "store/test_loop.h"

namespace anyswan::store {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Load {
    int watchers = 10;
    int rate = 100;
    int puts = 1000;
};

/// Milliseconds, one per delivery.
class Latencies {
public:
    void add(Clock::duration took) {
        samples_.push_back(std::chrono::duration<double, std::milli>(took).count());
    }
    [[nodiscard]] std::size_t count() const { return samples_.size(); }
    [[nodiscard]] double percentile(double p) {
        if (samples_.empty()) {
            return 0;
        }
        std::sort(samples_.begin(), samples_.end());
        return samples_[static_cast<std::size_t>(p * static_cast<double>(samples_.size() - 1))];
    }

private:
    std::vector<double> samples_;
};

/// The time it was put, then padding to 1 KB.
Bytes stamped_value() {
    Bytes value(1024);
    const auto now = Clock::now();
    std::memcpy(value.data(), &now, sizeof(now));
    return value;
}
Clock::duration age(const Bytes& value) {
    Clock::time_point put;
    std::memcpy(&put, value.data(), sizeof(put));
    return Clock::now() - put;
}

void print(const char* store, const char* what, Latencies& latencies) {
    std::printf("%-10s %-18s %8.2f %8.2f %8.2f   (%zu)\n", store, what, latencies.percentile(0.5),
                latencies.percentile(0.99), latencies.percentile(1.0), latencies.count());
}

void run(const char* name, const StoreConfig& config, const Load& load) {
    TestLoop loop;
    Latencies acks;
    Latencies watch;
    Latencies fast;
    std::vector<std::unique_ptr<Store>> clients;
    int ready = 0;
    for (int i = 0; i <= load.watchers; ++i) {
        auto opened = open_store(config, loop.executor());
        if (!opened) {
            std::fprintf(stderr, "%s\n", opened.error().message.c_str());
            std::exit(1);
        }
        clients.push_back(std::move(*opened));
    }
    for (int i = 0; i < load.watchers; ++i) {
        clients[static_cast<std::size_t>(i)]->watch_facts(
            Revision{0},
            {.on_fact =
                 [&](const FactEvent& event) {
                     (event.path == FactPath::fast ? fast : watch).add(age(event.value));
                 },
             .on_snapshot_complete = [&](Revision) { ++ready; },
             .on_store_reset = [](const std::string&) {}});
    }
    Store& writer = *clients.back();
    const bool started = loop.run_until(
        [&] { return ready == load.watchers && writer.link_state() == LinkState::connected; });
    check(started, "the store did not come up");
    auto next = Clock::now();
    for (int i = 0; i < load.puts; ++i) {
        writer.put_fact("child/" + std::to_string(i), stamped_value(),
                        [&acks, start = Clock::now()](const StoreResult<Revision>& result) {
                            check(result.has_value(), "a put failed");
                            acks.add(Clock::now() - start);
                        });
        next += std::chrono::nanoseconds(1s) / load.rate;
        loop.run_for(std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()));
    }
    const auto all = static_cast<std::size_t>(load.watchers * load.puts);
    loop.run_until([&] {
        return watch.count() == all && acks.count() == static_cast<std::size_t>(load.puts);
    });
    print(name, "put to ack", acks);
    print(name, "put to watcher", watch);
    print(name, "put to fast copy", fast);
}

int bench(const Load& load) {
    std::printf("%d watchers, %d puts/s of 1 KB, ms:\n%-10s %-18s %8s %8s %8s\n", load.watchers,
                load.rate, "store", "", "p50", "p99", "max");
    run("memory", MemoryConfig{MemoryHub::create()}, load);
    const TemporaryFolder folder;
    run("sqlite", SqliteConfig{folder.path() / "store.db"}, load);
    const auto server = make_single_server();
    server->start();
    JetStreamConfig config;
    config.urls = {server->url()};
    config.fleet = "bench";
    config.user = "edge";
    config.password = Secret::copy_of(as_bytes("edge"));
    run("jetstream", config.clone(), load);
    return 0;
}

}  // namespace
}  // namespace anyswan::store

int main(int count, char** arguments) {
    anyswan::store::Load load;
    int* const fields[] = {&load.watchers, &load.rate, &load.puts};
    for (int i = 1; i < count && i <= 3; ++i) {
        *fields[i - 1] = std::max(1, std::atoi(arguments[i]));
    }
    return anyswan::store::bench(load);
}
