// SPDX-License-Identifier: Apache-2.0
// Child SAs from a store snapshot into the kernel: sealed records, watch, unsealing, dataplane
// role, driver. Then what a change costs among that many, and what a restart costs. Needs a kernel
// with ESP:
//
//   labs/kernel/run qemu -m 6G -t 3000 -- build/bench_xfrm [tunnels...]
//   labs/kernel/run uml -m 4G -t 3000 -- build/bench_xfrm policies [tunnels...]
//
// By default 1000, 10000 and 50000. "policies": without an xfrm interface (Debian's user-mode Linux
// has none). It changes the network namespace it runs in.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "core/esp/test_records.h"
#include "dataplane/xfrm/xfrm_driver.h"
#include "edge/asio_loop.h"
#include "edge/dataplane_role.h"
#include "edge/log.h"
#include "net/clock.h"
#include "store/memory/memory.h"

namespace anyswan::edge {
namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* account = "acme";
constexpr int changes_measured = 50;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A line of a /proc file that begins so, in MB.
double megabytes(const char* path, const std::string& name) {
    std::ifstream file(path);
    std::string word;
    double kilobytes = 0;
    while (file >> word) {
        if (word == name && file >> kilobytes) {
            return kilobytes / 1024;
        }
    }
    return 0;
}

sa::ChildSaRecord child_of(std::uint32_t number) {
    sa::ChildSaRecord child =
        esp::testing::make_record("aes256gcm16-esn", 0x10000000U + number * 2);
    child.ike_spi = IkeSpi(0x0001000000000000U + number);
    child.tunnel = {account, "t" + std::to_string(number)};
    const std::string prefix = "10." + std::to_string(number >> 12U) + "." +
                               std::to_string(number >> 4U & 0xffU) + "." +
                               std::to_string((number & 0xfU) << 4U) + "/28";
    child.local_ts = esp::testing::selectors({"172.16.0.0/12"});
    child.remote_ts = esp::testing::selectors({prefix});
    child.published_at = net::read_clock().wall;
    child.expires_at = {child.published_at.unix_ns + 8 * 3600 * std::int64_t{1'000'000'000}};
    return child;
}

sa::EndpointRecord endpoint_of(std::uint32_t number) {
    // 64 tunnels at each address, as behind carriers' NATs.
    const std::uint32_t peer = 0xc6120000U + number / 64;  // 198.18.0.0/15
    return {IkeSpi(0x0001000000000000U + number),
            {*IpAddress::parse("192.0.2.1"), 4500},
            {IpAddress::v4(peer), static_cast<std::uint16_t>(20000 + number % 64)},
            true};
}

sa::TunnelRecord tunnel_of(std::uint32_t number) {
    const sa::ChildSaRecord child = child_of(number);
    sa::TunnelRecord tunnel;
    tunnel.id = child.tunnel;
    tunnel.psk = Secret::copy_of(as_bytes("a key"));
    tunnel.remote_prefixes = {IpPrefix{child.remote_ts[0].first, 28}};
    return tunnel;
}

/// An edge's dataplane half, with a real kernel under it.
class Scene {
public:
    Scene(std::uint32_t tunnels, bool policies) : tunnels_(tunnels), policies_(policies) {
        keys_.current = 1;
        keys_.keys.emplace(1, Secret::copy_of(Bytes(32, 7)));
    }

    void fill() {
        connect();
        Facts writer(*store_, keys_, random_, {[](const auto&, const auto&) {}, [] {}});
        std::size_t written = 0;
        const auto put = [&](const std::string& key, const sa::Record& record) {
            writer.put(key, Epoch(1), record, [&](Written) { ++written; });
        };
        for (std::uint32_t i = 0; i < tunnels_; ++i) {
            put(sa::tunnel_key(tunnel_of(i).id), tunnel_of(i));
            put(sa::child_sa_key(child_of(i).inbound_spi), child_of(i));
            put(sa::endpoint_key(endpoint_of(i).ike_spi), endpoint_of(i));
            if (i % 256 == 0) {
                loop_.run_ready();
            }
        }
        until([&] { return written == 3 * std::size_t{tunnels_}; });
    }

    /// Starts the edge; returns when every SA is in force.
    void start() {
        connect();
        XfrmDriverConfig config;
        config.base.local_addresses = {*IpAddress::parse("192.0.2.1")};
        config.without_interface = policies_;
        DriverSink sink;
        sink.on_events = [](std::vector<dataplane::Event> events) {
            for (const dataplane::Event& event : events) {
                if (const auto* failed = std::get_if<dataplane::SaFailed>(&event)) {
                    std::fprintf(stderr, "%s\n", failed->why.c_str());
                    std::exit(1);
                }
            }
        };
        auto driver = dataplane::XfrmDriver::start(std::move(config), std::move(sink));
        if (!driver) {
            std::fprintf(stderr, "%s\n", driver.error().message.c_str());
            std::exit(1);
        }
        driver_ = std::move(*driver);
        const auto tell = [](const std::string&, const BusBody&) {};
        leases_ = std::make_unique<Leases>(
            Leases::Parts{*store_, keys_, random_, tell, EdgeId(1), Incarnation(1)});
        facts_ = std::make_unique<Facts>(
            *store_, keys_, random_,
            FactHandlers{[this](const auto&, const sa::Record& record) { on_record(record); },
                         [this] { role_->on_in_step(); }});
        role_ = std::make_unique<DataplaneRole>(
            DataplaneRole::Parts{loop_, *facts_, *driver_, *leases_, tell, "bench"});
        facts_->start();
        until([&] { return facts_->in_step() && role_->installed() == tunnels_; });
        driver_->apply({});  // behind what the role gave it
    }

    void grant_all() {
        std::vector<dataplane::Change> changes;
        for (std::uint32_t i = 0; i < tunnels_; ++i) {
            changes.emplace_back(dataplane::GrantSequence{
                child_of(i).inbound_spi, SequenceNumber(1), SequenceNumber(1'000'000)});
        }
        driver_->apply(changes);
    }

    /// Milliseconds from a change to in force: an SA with its route comes, and goes again.
    std::vector<double> one_change() {
        std::vector<double> took;
        for (std::uint32_t i = tunnels_; i < tunnels_ + changes_measured; ++i) {
            const auto began = Clock::now();
            const sa::ChildSaRecord child = child_of(i);
            const sa::EndpointRecord where = endpoint_of(i);
            std::vector<dataplane::Change> changes;
            changes.emplace_back(
                dataplane::AddRoute{child.tunnel, tunnel_of(i).remote_prefixes.front()});
            changes.emplace_back(
                dataplane::InstallSa{child.clone(), where.local, where.remote, true});
            changes.emplace_back(dataplane::GrantSequence{child.inbound_spi, SequenceNumber(1),
                                                          SequenceNumber(1'000'000)});
            driver_->apply(changes);
            took.push_back(seconds_since(began) * 1000);
        }
        std::ranges::sort(took);
        return took;
    }

    void stop() {
        role_.reset();
        facts_.reset();
        leases_.reset();
        driver_.reset();
    }

private:
    using DriverSink = dataplane::DriverSink;
    using XfrmDriverConfig = dataplane::XfrmDriverConfig;

    void on_record(const sa::Record& record) {
        if (const auto* tunnel = std::get_if<sa::TunnelRecord>(&record)) {
            role_->on_tunnel(*tunnel);
        } else if (const auto* child = std::get_if<sa::ChildSaRecord>(&record)) {
            role_->on_child(*child);
        } else if (const auto* endpoint = std::get_if<sa::EndpointRecord>(&record)) {
            role_->on_endpoint(*endpoint);
        }
    }
    void connect() {
        store_ = hub_->connect([this](std::function<void()> task) { loop_.post(std::move(task)); });
    }
    void until(const std::function<bool()>& done) {
        while (!done()) {
            loop_.run_ready();
        }
    }

    const std::uint32_t tunnels_;
    const bool policies_;
    AsioLoop loop_;
    net::SystemRandom random_;
    sa::FleetKeys keys_;
    std::shared_ptr<store::MemoryHub> hub_ = store::MemoryHub::create();
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<dataplane::Driver> driver_;
    std::unique_ptr<Leases> leases_;
    std::unique_ptr<Facts> facts_;
    std::unique_ptr<DataplaneRole> role_;
};

void run(std::uint32_t tunnels, bool policies) {
    Scene scene(tunnels, policies);
    scene.fill();
    const double slab = megabytes("/proc/meminfo", "Slab:");
    const double resident = megabytes("/proc/self/status", "VmRSS:");
    auto began = Clock::now();
    scene.start();
    const double inbound = seconds_since(began);
    began = Clock::now();
    scene.grant_all();
    const double outbound = seconds_since(began);
    const double kernel = megabytes("/proc/meminfo", "Slab:") - slab;
    const double own = megabytes("/proc/self/status", "VmRSS:") - resident;
    const std::vector<double> changes = scene.one_change();
    scene.stop();
    began = Clock::now();
    scene.start();
    const double again = seconds_since(began);
    scene.stop();
    std::printf(
        "%7u %8.2f s %8.0f SA/s %8.2f s %8.0f SA/s %7.0f MB %7.0f MB %7.1f ms %7.1f ms "
        "%8.2f s\n",
        tunnels, inbound, tunnels / inbound, outbound, tunnels / outbound, kernel, own,
        changes[changes.size() / 2], changes.back(), again);
    std::fflush(stdout);
}

}  // namespace
}  // namespace anyswan::edge

int main(int argc, char** argv) {
    anyswan::edge::log::set_up("warn", "bench");
    std::printf("%7s %19s %22s %20s %21s %10s\n", "tunnels", "snapshot, inbound SAs",
                "outbound SAs, routes", "kernel, daemon", "a change p50, max", "restart");
    std::fflush(stdout);
    std::vector<std::uint32_t> sizes;
    const bool policies = argc > 1 && std::string_view(argv[1]) == "policies";
    for (int i = policies ? 2 : 1; i < argc; ++i) {
        sizes.push_back(static_cast<std::uint32_t>(std::atoi(argv[i])));
    }
    if (sizes.empty()) {
        sizes = {1000, 10000, 50000};
    }
    for (const std::uint32_t tunnels : sizes) {
        anyswan::edge::run(tunnels, policies);
        if (std::system("ip xfrm policy flush; ip xfrm state flush; ip link del as_ipsec "
                        "2>/dev/null; true") != 0) {
            std::fprintf(stderr, "cleaning up failed\n");
            return 1;
        }
    }
    return 0;
}
