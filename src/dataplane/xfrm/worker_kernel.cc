// SPDX-License-Identifier: Apache-2.0
// Brings kernel and model together.
#include <algorithm>

#include "dataplane/xfrm/worker.h"

namespace anyswan::dataplane::xfrm {

namespace {

/// Tunnels of one round of netlink: a bound for memory, and for how long packets wait for us.
constexpr std::size_t tunnels_at_once = 512;
/// Of SAs that the kernel refused, per retry interval.
constexpr std::size_t retries_at_once = 512;
constexpr Duration retry_pause_max = 5min;

}  // namespace

/// Below the TUN routes' metric, always the same for a prefix, and not the same for all: Linux
/// keeps what routes have in common hashed by interface and metric, but not by tunnel, and walks
/// the whole chain for each new IPv4 route.
net::KernelRoute Worker::tunnel_route(const IpPrefix& prefix, std::uint32_t table,
                                      std::uint32_t if_id) const {
    std::uint32_t hash = prefix.length;
    for (const std::uint8_t byte : prefix.address.bytes()) {
        hash = (hash ^ byte) * 16777619U;  // FNV-1; the same over restarts
    }
    return {prefix, interface_index_, table, 1000 + hash % 997, own_route_protocol, if_id};
}

void Worker::reconcile() {
    // A refusal changes what is wanted, so there may be a second round; it refuses less.
    for (int round = 0; round < 4 && !dirty_.empty(); ++round) {
        std::vector<std::uint32_t> numbers;
        for (const std::uint32_t number : std::exchange(dirty_, {})) {
            if (settled_ || !leftovers_.contains(number)) {
                numbers.push_back(number);
            }
        }
        for (std::size_t begin = 0; begin < numbers.size(); begin += tunnels_at_once) {
            const std::size_t count = std::min(tunnels_at_once, numbers.size() - begin);
            bring(std::span(numbers).subspan(begin, count));
        }
    }
    for (const EspSpi spi : std::exchange(retried_, {})) {
        if (const Sa* sa = model_.find(spi); sa != nullptr && !sa->refused && !sa->mute) {
            ++counts_["sa_applied_later"];
            books_[spi].trouble.clear();
            books_[spi].retry_pause = {};
            out_.emplace_back(SaApplied{spi});
        }
    }
}

void Worker::bring(std::span<const std::uint32_t> numbers) {
    std::vector<Job> jobs;
    jobs.reserve(numbers.size());
    for (const std::uint32_t number : numbers) {
        const Tunnel* tunnel = model_.find_number(number);
        jobs.push_back(
            kernel_.plan(number, tunnel == nullptr ? Contents{} : model_.wanted(*tunnel)));
    }
    // Make before break: states, policies, routes; then the other way round.
    refused(kernel_.strengthen(jobs));
    update_routes(numbers);
    for (const std::uint32_t number : kernel_.weaken(jobs)) {
        late_.insert(number);
    }
    for (const std::uint32_t number : numbers) {
        if (Tunnel* tunnel = model_.find_number(number)) {
            release_waiting(*tunnel);
            model_.release(*tunnel);
        }
    }
}

void Worker::refused(const std::vector<Refusal>& refusals) {
    for (const Refusal& refusal : refusals) {
        if (Tunnel* tunnel = model_.find_number(refusal.number)) {
            refused(*tunnel, refusal);
        }
    }
}

void Worker::refused(Tunnel& tunnel, const Refusal& refusal) {
    switch (refusal.kind) {
        case Refusal::Kind::gone:
            gone(tunnel, refusal.state);
            break;
        case Refusal::Kind::update:
            // The SA goes on as it was; an outbound one with fewer numbers than it was granted.
            ++counts_["updates_refused"];
            late_.insert(tunnel.number);
            break;
        case Refusal::Kind::add:
            for (Sa* sa : tunnel.best_first) {
                if (sa->inbound_id() == refusal.state || sa->outbound_id() == refusal.state) {
                    refused(*sa, sa->inbound_id() == refusal.state, refusal);
                }
            }
            break;
        case Refusal::Kind::policy:
            // A policy to send on is one SA's; those that let in serve all with such selectors.
            for (Sa* sa : tunnel.best_first) {
                const PolicyId& id = refusal.policy.id;
                const bool inbound = id.direction != Direction::out;
                if (inbound
                        ? std::ranges::find(sa->in_selectors, id.selector) != sa->in_selectors.end()
                        : sa->record.outbound_spi == refusal.policy.required.spi) {
                    refused(*sa, inbound, refusal);
                }
            }
            break;
    }
}

/// A state came to its end by itself, or somebody removed it.
void Worker::gone(Tunnel& tunnel, const StateId& id) {
    Sa* sa = model_.find_outbound(id);
    if (sa != nullptr && sa->tunnel == &tunnel) {
        sa->numbers.reset();  // they must not be used twice (N2)
        ask(*sa, 1);
    }
    touch(tunnel);
}

/// An SA that can't send may still receive. What didn't help once is tried again less and less
/// often, up to every five minutes.
void Worker::refused(Sa& sa, bool inbound, const Refusal& refusal) {
    if (sa.refused || (sa.mute && !inbound)) {
        return;
    }
    (inbound ? sa.refused : sa.mute) = true;
    if (inbound) {
        forget_spi(sa.record.inbound_spi);
        unknown_.insert(sa.record.inbound_spi);
    }
    touch(*sa.tunnel);
    const EspSpi spi = sa.record.inbound_spi;
    SaBook& book = books_[spi];
    if (refusal.again && failed_.insert(spi).second) {
        book.retry_pause =
            std::clamp<Duration>(2 * book.retry_pause, config_.retry_interval, retry_pause_max);
        book.retry_at = now_ + book.retry_pause;
    }
    ++counts_["sa_refusals"];
    if (book.trouble != refusal.why) {
        book.trouble = refusal.why;
        sa_failed(spi, refusal.why);
    }
}

void Worker::retry() {
    std::size_t left = retries_at_once;
    for (auto at = failed_.begin(); at != failed_.end() && left > 0;) {
        Sa* sa = model_.find(*at);
        if (sa != nullptr && books_[*at].retry_at > now_) {
            ++at;
            continue;
        }
        if (sa != nullptr) {
            sa->refused = sa->mute = false;
            retried_.insert(*at);
            touch(*sa->tunnel);
            --left;
        }
        at = failed_.erase(at);
    }
    dirty_.merge(std::exchange(late_, {}));
}

void Worker::update_routes(std::span<const std::uint32_t> numbers) {
    if (interface_index_ == 0) {
        return;
    }
    for (const std::uint32_t number : numbers) {
        if (const Tunnel* tunnel = model_.find_number(number)) {
            for (const IpPrefix& prefix : tunnel->prefixes) {
                update_route(*tunnel->domain, prefix);
            }
        }
    }
}

void Worker::update_route(const Domain& domain, const IpPrefix& prefix) {
    const Tunnel* carrier = model_.carrier(domain, prefix);
    const std::uint32_t wanted = carrier == nullptr ? 0 : carrier->number;
    std::vector<std::uint32_t> tables{domain.table};
    if (config_.base.routes_in_main_table) {
        tables.push_back(net::main_table);
    }
    for (const std::uint32_t table : tables) {
        const auto found = routes_.find({table, prefix});
        const std::uint32_t present = found == routes_.end() ? 0 : found->second;
        if (present == wanted) {
            continue;
        }
        const net::KernelRoute route = tunnel_route(prefix, table, wanted == 0 ? present : wanted);
        const Status done =
            wanted == 0 ? netlink_.remove_route(route) : netlink_.replace_route(route);
        account_failed(domain.account, done);
        if (!done) {
            ++counts_["route_failures"];
            if (carrier != nullptr) {
                late_.insert(carrier->number);
            }
            continue;
        }
        ++counts_["route_changes"];
        if (wanted == 0) {
            routes_.erase(found);
        } else {
            routes_[{table, prefix}] = wanted;
        }
    }
}

/// Whether packets for the tunnel's prefixes go into it now, rather than to the TUN.
bool Worker::carries(const Tunnel& tunnel) const {
    if (model_.senders(tunnel).empty()) {
        return false;
    }
    return interface_index_ == 0 ||
           std::ranges::all_of(tunnel.prefixes, [&](const IpPrefix& prefix) {
               return routes_.contains({tunnel.domain->table, prefix});
           });
}

void Worker::release_waiting(Tunnel& tunnel) {
    if (!waiting_.waits(tunnel.number) || !carries(tunnel)) {
        return;
    }
    for (const Bytes& packet : waiting_.take(tunnel.number)) {
        if (!injector_.send(packet, tunnel.domain->table)) {
            count_drop(drops_, esp::DropReason::inner_write_failed);
        }
    }
}

}  // namespace anyswan::dataplane::xfrm
