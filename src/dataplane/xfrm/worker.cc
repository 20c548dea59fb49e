// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/worker.h"

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "dataplane/forward/counter_names.h"
#include "dataplane/forward/limits.h"
#include "net/clock.h"

namespace anyswan::dataplane::xfrm {

namespace {

constexpr std::size_t packet_capacity = 9216;
constexpr std::size_t pool_kept_max = 256;
/// Routes to the TUN interfaces give way to those into tunnels.
constexpr std::uint32_t waiting_route_metric = 2000;
constexpr std::uint32_t tun_queue_length = 2000;
/// Segments of one packet that the kernel may make after it was counted (IP's 64 KB in the smallest
/// usual segments).
constexpr std::uint32_t late_segments_max = 128;

constexpr std::uint64_t waker_token = 0;
constexpr std::uint64_t event_token = 1;
constexpr std::uint64_t socket_tokens = 2;
constexpr std::uint64_t domain_tokens = std::uint64_t{1} << 32U;
constexpr std::uint64_t outrun_token = domain_tokens - 1;

/// "as-" -> "as_ipsec": no account can be called so.
std::string interface_of(const std::string& prefix) {
    return prefix.substr(0, prefix.find_last_not_of('-') + 1) + "_ipsec";
}

XfrmDriverConfig completed(XfrmDriverConfig config) {
    config.base.raw_esp = false;
    config.base.route_metric = waiting_route_metric;
    return config;
}

/// esp4_offload and esp6_offload let big packets through IPsec before they are cut up.
std::uint32_t numbers_per_packet() {
    std::error_code ignored;
    const bool late = std::filesystem::exists("/sys/module/esp4_offload", ignored) ||
                      std::filesystem::exists("/sys/module/esp6_offload", ignored);
    return late ? late_segments_max : 1;
}

constexpr std::pair<const char*, const char*> statistics_as_drops[] = {
    {"XfrmInNoStates", "drop_unknown_spi"},
    {"XfrmInStateSeqError", "drop_replay_seen"},
    {"XfrmInStateProtoError", "drop_integrity"},
    {"XfrmInNoPols", "drop_inner_selector"},
    {"XfrmInTmplMismatch", "drop_inner_selector"},
    {"XfrmInPolBlock", "drop_inner_selector"},
    {"XfrmInStateMismatch", "drop_encapsulation_mismatch"},
    {"XfrmInStateExpired", "drop_sa_expired"},
    {"XfrmOutStateExpired", "drop_sa_expired"},
    {"XfrmOutNoStates", "drop_no_sa"},
    {"XfrmOutStateSeqError", "drop_sequence_exhausted"},
    {"XfrmOutBundleGenError", "drop_outer_send_failed"},
};

}  // namespace

std::map<std::string, std::uint64_t> read_xfrm_statistics() {
    std::map<std::string, std::uint64_t> read;
    std::ifstream file("/proc/thread-self/net/xfrm_stat");
    std::string name;
    std::uint64_t value = 0;
    while (file >> name >> value) {
        read[name] = value;
    }
    return read;
}

Result<Worker::Parts> Worker::open_parts(const XfrmDriverConfig& config) {
    auto channel = open_channel(config.answer_buffer);
    const std::array<unsigned, 4> groups{XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE, XFRMNLGRP_AEVENTS,
                                         XFRMNLGRP_MAPPING};
    auto events = net::NetlinkSocket::open(NETLINK_XFRM, groups);
    auto sockets = OuterSockets::open(config.base, net::KeptSockets::from_environment());
    auto poller = net::Poller::make();
    auto waker = net::Waker::make();
    auto netlink = net::RouteNetlink::open();
    auto injector = net::RawIpSender::open();
    std::optional<Error> error;
    const auto note = [&](const auto& result) {
        if (!result && !error) {
            error = result.error();
        }
    };
    note(channel);
    note(events);
    note(sockets);
    note(poller);
    note(waker);
    note(netlink);
    note(injector);
    if (!error) {
        note(sockets->give_esp_to_kernel());
    }
    if (error) {
        return Unexpected{*error};
    }
    auto tap = net::EspTap::open(config.base.local_addresses, config.base.natt_port);
    Parts parts{std::move(*sockets), std::move(*poller),          std::move(*waker),
                std::move(*netlink), Kernel(std::move(*channel)), std::move(*events),
                std::move(*injector)};
    if (tap) {
        parts.tap.emplace(std::move(*tap));
    } else {
        parts.outrun_trouble = tap.error().message;
    }
    return parts;
}

Result<std::unique_ptr<Worker>> Worker::make(XfrmDriverConfig config, DriverSink sink) {
    auto parts = open_parts(config);
    if (!parts) {
        return Unexpected{parts.error()};
    }
    Mode mode = Mode::policies;
    if (!config.without_interface) {
        const auto index =
            parts->netlink.make_xfrm_interface(interface_of(config.base.interface_prefix));
        if (!index) {
            return Unexpected{index.error()};
        }
        mode = Mode::interface;
    }
    return make(std::move(config), std::move(sink), std::move(*parts), mode);
}

Result<std::unique_ptr<Worker>> Worker::make(XfrmDriverConfig config, DriverSink sink, Parts parts,
                                             Mode mode) {
    std::unique_ptr<Worker> made(
        new Worker(completed(std::move(config)), std::move(sink), std::move(parts), mode));
    if (const Status started = made->start(); !started) {
        return Unexpected{started.error()};
    }
    return made;
}

Worker::Worker(XfrmDriverConfig config, DriverSink sink, Parts parts, Mode mode)
    : config_(std::move(config)),
      sink_(std::move(sink)),
      sockets_(std::move(parts.sockets)),
      poller_(std::move(parts.poller)),
      waker_(std::move(parts.waker)),
      netlink_(std::move(parts.netlink)),
      kernel_(std::move(parts.kernel)),
      kernel_events_(std::move(parts.events)),
      injector_(std::move(parts.injector)),
      model_({mode, config_.base.routes_in_main_table, numbers_per_packet()}),
      waiting_(drops_),
      pool_(packet_capacity, pool_kept_max),
      now_(net::read_clock().instant),
      statistics_at_start_(read_xfrm_statistics()),
      outrun_trouble_(std::move(parts.outrun_trouble)) {
    if (mode == Mode::policies) {
        // Linux holds nothing that comes in over lo to inbound policies (disable_policy), and
        // without an interface of its own the inner packet counts as come over lo, too.
        outrun_trouble_ = "that needs an xfrm interface";
    } else if (parts.tap) {
        auto injector = net::RawIpSender::open();
        const Status past = injector ? injector->bypass_ipsec() : Status{};
        if (injector && past) {
            outrun_.emplace(std::move(*parts.tap), std::move(*injector), drops_);
        } else {
            outrun_trouble_ = injector ? past.error().message : injector.error().message;
        }
    }
    if (mode == Mode::interface) {
        interface_ = interface_of(config_.base.interface_prefix);
    }
}

Status Worker::start() {
    sockets_kept_ = sockets_.keep();
    Status done = set_up_interface();
    if (done) {
        done = poller_.add(waker_.fd(), waker_token);
    }
    if (done) {
        done = poller_.add(kernel_events_.fd(), event_token);
    }
    for (std::size_t i = 0; done && i < sockets_.size(); ++i) {
        done = poller_.add(sockets_.fd(i), socket_tokens + i);
    }
    if (done && outrun_) {
        for (const int fd : outrun_->fds()) {
            done = done ? poller_.add(fd, outrun_token) : done;
        }
    }
    return done ? load() : done;
}

Status Worker::set_up_interface() {
    if (interface_.empty()) {
        return {};
    }
    auto index = netlink_.make_xfrm_interface(interface_);
    if (!index) {
        return Unexpected{index.error()};
    }
    interface_index_ = *index;
    if (const Status written = write_inner_sysctls(interface_, config_.base.host_forwarding);
        !written) {
        return written;
    }
    return netlink_.set_link_up(
        interface_index_, {static_cast<std::uint32_t>(config_.base.inner_mtu), tun_queue_length});
}

/// What an earlier life of the daemon left: it stays in force until we know what is wanted.
Status Worker::load() {
    const auto numbers = kernel_.load();
    if (!numbers) {
        return Unexpected{numbers.error()};
    }
    leftovers_.insert(numbers->begin(), numbers->end());
    const auto routes = netlink_.list_routes(own_route_protocol);
    if (!routes) {
        return Unexpected{routes.error()};
    }
    for (const net::KernelRoute& route : *routes) {
        if (is_own(route.xfrm_if_id)) {
            routes_[{route.table, route.prefix}] = route.xfrm_if_id;
        }
    }
    for (const std::uint32_t number : leftovers_) {
        for (const auto& [id, state] : kernel_.present(number).states) {
            if (outrun_) {
                (void)outrun_->know(id.spi);  // inbound or not: it is nobody else's
            }
        }
    }
    counts_["leftover_tunnels"] = leftovers_.size();
    settled_ = leftovers_.empty() && routes_.empty();
    return {};
}

void Worker::run_once() {
    const std::vector<std::uint64_t> ready = poller_.wait(tick_interval);
    now_ = net::read_clock().instant;
    for (const std::uint64_t token : ready) {
        if (token == waker_token) {
            waker_.clear();
        } else if (token == event_token) {
            read_events();
        } else if (token == outrun_token) {
            receive_outrun();
        } else if (token < domain_tokens) {
            receive_ike(static_cast<std::size_t>(token - socket_tokens));
        } else if (const auto found =
                       domains_.find(static_cast<std::uint32_t>(token - domain_tokens));
                   found != domains_.end()) {
            read_tun(found->second);
        }
    }
    if (now_ >= next_tick_) {
        next_tick_ = now_ + tick_interval;
        tick();
    }
    reconcile();
    release_outrun();
    flush();
}

void Worker::apply(std::span<const Change> changes) {
    now_ = net::read_clock().instant;
    for (const Change& change : changes) {
        std::visit([this](const auto& one) { on(one); }, change);
    }
    reconcile();
    release_outrun();
    flush();
}

void Worker::flush() {
    if (!out_.empty() && sink_.on_events) {
        sink_.on_events(std::exchange(out_, {}));
    }
    if (!ike_.empty() && sink_.on_ike) {
        sink_.on_ike(std::exchange(ike_, {}));
    }
    out_.clear();
    ike_.clear();
}

void Worker::send_ike(std::span<const IkeDatagram> datagrams) {
    sockets_.send_ike(datagrams, drops_);
}

void Worker::receive_ike(std::size_t socket) {
    while (sockets_.receive(socket, pool_, stray_, ike_, drops_)) {
        counts_["stray_esp"] += stray_.size();  // the kernel should have had it
        for (esp::OuterPacket& packet : stray_) {
            pool_.give(std::move(packet.packet));
        }
        stray_.clear();
    }
}

std::map<std::string, std::uint64_t> Worker::counters() {
    std::map<std::string, std::uint64_t> read;
    for (const std::string& name : forwarder_counter_names()) {
        read[name] = 0;
    }
    for (std::size_t i = 0; i < esp::drop_reason_count; ++i) {
        read[std::string("drop_") + esp::name(static_cast<esp::DropReason>(i))] = drops_[i];
    }
    for (const auto& [name, value] : read_xfrm_statistics()) {
        const std::uint64_t since = value - statistics_at_start_[name];
        read["kernel_" + name] = since;
        for (const auto& [statistic, drop] : statistics_as_drops) {
            if (name == statistic) {
                read[drop] += since;
            }
        }
    }
    if (interface_index_ != 0) {
        read["drop_outbound_selector"] += netlink_.carrier_errors(interface_index_);
    }
    for (const std::map<std::string, std::uint64_t>* counts :
         {&std::as_const(counts_), &kernel_.counts()}) {
        for (const auto& [name, value] : *counts) {
            read[name] += value;
        }
    }
    if (outrun_) {
        read["held_unknown_spi"] = outrun_->held();
        read["returned_unknown_spi"] = outrun_->returned();
        // The kernel counts them as they come; those that wait aren't lost.
        read["drop_unknown_spi"] -= std::min(read["drop_unknown_spi"], outrun_->held());
    }
    read["ike_in"] = sockets_.counts().ike_in;
    read["ike_out"] = sockets_.counts().ike_out;
    read["natt_keepalives"] = sockets_.counts().natt_keepalives;
    return read;
}

std::string Worker::describe() const {
    std::string text = "kernel ESP (XFRM), IKE on " + sockets_.describe() + "; ";
    text += interface_.empty()
                ? "no xfrm interface: policies pick tunnels by traffic selector, accounts by mark"
                : "xfrm interface " + interface_ + " in collect-metadata mode";
    text += outrun_ ? "; an ESP packet that comes before its SA waits for it"
                    : "; an ESP packet that comes before its SA is lost: " + outrun_trouble_;
    text += sockets_kept_ ? "; the service manager keeps the UDP sockets over restarts" : "";
    text += "; " + std::to_string(model_.size()) + " Child SAs";
    for (const auto& [table, domain] : domains_) {
        text += "; account " + domain.account + ": table and mark " + std::to_string(table) +
                ", waiting packets on " + domain.io->tun().name();
    }
    return text;
}

}  // namespace anyswan::dataplane::xfrm
