// SPDX-License-Identifier: Apache-2.0
#include "store/local/hub.h"

#include <algorithm>

namespace anyswan::store {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
    using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

/// Facts delivered in one task, before the loop's other work has its turn.
constexpr std::size_t facts_per_task = 256;

void post_facts(const Outlet& outlet, const std::shared_ptr<FactSink>& sink,
                std::vector<FactEvent> events) {
    const auto box = std::make_shared<std::vector<FactEvent>>(std::move(events));
    for (std::size_t from = 0; from < box->size(); from += facts_per_task) {
        outlet.post([outlet, sink, box, from] {
            const std::size_t end = std::min(from + facts_per_task, box->size());
            for (std::size_t i = from; i < end && outlet.is_open(); ++i) {
                sink->on_fact(std::move((*box)[i]));
            }
        });
    }
}

/// A completion that waits for the commit; reads wait too, they may have seen the batch's writes.
template <class T>
auto settle_with(const Outlet& outlet, Completion<StoreResult<T>> done, StoreResult<T> result) {
    auto box = std::make_shared<StoreResult<T>>(std::move(result));
    return [outlet, done = std::move(done), box](const std::optional<StoreError>& commit_failure) {
        if (commit_failure) {
            complete<T>(outlet, done, Unexpected{*commit_failure});
        } else {
            complete<T>(outlet, done, std::move(*box));
        }
    };
}

}  // namespace

ClientId LocalHub::attach(Outlet outlet) {
    const std::lock_guard lock(clients_mutex_);
    const ClientId id{++last_client_};
    clients_.emplace(id, Client{.outlet = std::move(outlet),
                                .link_why = {},
                                .link_handler = {},
                                .sink = {},
                                .seen = {},
                                .subscriptions = {}});
    return id;
}

void LocalHub::detach(ClientId client) {
    const std::lock_guard lock(clients_mutex_);
    clients_.erase(client);
}

void LocalHub::submit(ClientId client, Operation operation) {
    std::optional<Request> request;
    {
        const std::lock_guard lock(clients_mutex_);
        const auto at = clients_.find(client);
        if (at == clients_.end()) {
            return;
        }
        request = Request{client, at->second.outlet, std::move(operation)};
    }
    if (const auto* put = std::get_if<PutFact>(&request->operation)) {
        send_fast(client, *put);
    }
    schedule(std::move(*request));
}

void LocalHub::set_sink(ClientId client, Revision after, FactSink sink) {
    const std::lock_guard lock(clients_mutex_);
    if (const auto at = clients_.find(client); at != clients_.end()) {
        check(at->second.sink == nullptr, "one watch per store");
        at->second.sink = std::make_shared<FactSink>(std::move(sink));
        at->second.seen = after;
    }
}

void LocalHub::set_link_handler(ClientId client,
                                std::function<void(LinkState, std::string)> handler) {
    const std::lock_guard lock(clients_mutex_);
    const auto at = clients_.find(client);
    if (at == clients_.end()) {
        return;
    }
    at->second.link_handler = std::make_shared<decltype(handler)>(std::move(handler));
    at->second.outlet.post([call = at->second.link_handler, state = at->second.link,
                            why = at->second.link_why] { (*call)(state, why); });
}

LinkState LocalHub::link_state(ClientId client) const {
    const std::lock_guard lock(clients_mutex_);
    const auto at = clients_.find(client);
    return at == clients_.end() ? LinkState::closed : at->second.link;
}

void LocalHub::publish(ClientId from, const std::string& subject, const Bytes& payload) {
    const std::lock_guard lock(clients_mutex_);
    const auto sender = clients_.find(from);
    if (sender == clients_.end() || !sender->second.bus_works) {
        return;
    }
    for (const auto& [id, client] : clients_) {
        for (const Subscription& subscription : client.subscriptions) {
            if (client.bus_works && matches(subscription.pattern, subject)) {
                client.outlet.post([handler = subscription.handler, subject, payload] {
                    (*handler)({subject, payload});
                });
            }
        }
    }
}

void LocalHub::subscribe(ClientId client, std::string pattern,
                         std::function<void(BusMessage)> handler) {
    const std::lock_guard lock(clients_mutex_);
    if (const auto at = clients_.find(client); at != clients_.end()) {
        at->second.subscriptions.push_back(
            {std::move(pattern),
             std::make_shared<std::function<void(BusMessage)>>(std::move(handler))});
    }
}

void LocalHub::send_fast(ClientId from, const PutFact& put) {
    const std::lock_guard lock(clients_mutex_);
    const auto sender = clients_.find(from);
    if (sender == clients_.end() || !sender->second.bus_works || !fast_path_works_) {
        return;
    }
    for (const auto& [id, client] : clients_) {
        if (client.sink && client.bus_works) {
            post_facts(client.outlet, client.sink,
                       {FactEvent{put.key, put.value, Revision{0}, FactPath::fast}});
        }
    }
}

void LocalHub::run_batch(std::vector<Request> requests) {
    const std::lock_guard lock(tables_mutex_);
    std::optional<StoreError> failure;
    if (auto begun = tables_->begin(); !begun) {
        failure = begun.error();
    }
    std::vector<Settle> settles;
    if (!failure) {
        for (Request& request : requests) {
            settles.push_back(execute(request));
        }
        if (auto committed = tables_->commit(); !committed) {
            failure = committed.error();
            tables_->rollback();
        }
    } else {
        for (const Request& request : requests) {
            fail_request(request, *failure);
        }
    }
    for (const Settle& settle : settles) {
        settle(failure);
    }
}

LocalHub::Settle LocalHub::execute(Request& request) {
    return std::visit(
        Overloaded{[&](PutFact& put) -> Settle { return execute_put(request, put); },
                   [&](WatchFacts&) -> Settle {
                       // After the commit: a snapshot must not show what may still be undone.
                       return [this, client = request.client](const std::optional<StoreError>&) {
                           catch_up(client);
                       };
                   },
                   [&](ReadClaim& read) -> Settle {
                       return settle_with<std::optional<Claim>>(
                           request.outlet, std::move(read.done), tables_->read_claim(read.key));
                   },
                   [&](SwapClaim& swap) -> Settle {
                       return settle_with<Swap>(
                           request.outlet, std::move(swap.done),
                           tables_->swap_claim(swap.key, swap.value, swap.expected));
                   },
                   [&](ListClaims& list) -> Settle {
                       return settle_with<std::vector<std::string>>(
                           request.outlet, std::move(list.done), tables_->list_claims(list.prefix));
                   }},
        request.operation);
}

LocalHub::Settle LocalHub::execute_put(const Request& request, PutFact& put) {
    auto written = tables_->put_fact(put.key, put.value);
    std::optional<FactEvent> event;
    if (written) {
        event = FactEvent{std::move(put.key), std::move(put.value), *written, FactPath::watch};
    }
    auto settle = settle_with<Revision>(request.outlet, std::move(put.done), std::move(written));
    return [this, settle = std::move(settle),
            event = std::move(event)](const std::optional<StoreError>& commit_failure) {
        settle(commit_failure);
        if (event && !commit_failure) {
            tell_watchers(*event);
        }
    };
}

void LocalHub::tell_watchers(const FactEvent& event) {
    const std::lock_guard lock(clients_mutex_);
    for (auto& [id, client] : clients_) {
        // A watcher that catches up later in this batch has this fact in its snapshot.
        if (client.watching && client.link == LinkState::connected &&
            event.revision > client.seen) {
            client.seen = event.revision;
            post_facts(client.outlet, client.sink, {event});
        }
    }
}

void LocalHub::catch_up(ClientId id) {
    const std::lock_guard lock(clients_mutex_);
    const auto at = clients_.find(id);
    if (at == clients_.end() || !at->second.sink || at->second.link != LinkState::connected) {
        return;
    }
    Client& client = at->second;
    auto last = tables_->last_fact();
    if (!last) {
        return;  // a database that can't be read fails every request: nothing to add here
    }
    const Revision seen = client.seen;
    const bool first = !client.watching;
    const bool reset = seen > *last || (!first && client.history != history_);
    auto facts = tables_->facts_after(reset ? Revision{0} : seen);
    if (!facts) {
        return;
    }
    client.watching = true;
    client.seen = *last;
    client.history = history_;
    if (reset) {
        client.outlet.post([sink = client.sink, seen, last = *last] {
            sink->on_store_reset("the store is at revision " + std::to_string(last.value()) +
                                 " of another history, seen was " + std::to_string(seen.value()));
        });
    }
    if (!facts->empty()) {
        post_facts(client.outlet, client.sink, std::move(*facts));
    }
    if (first || reset) {
        client.outlet.post(
            [sink = client.sink, last = *last] { sink->on_snapshot_complete(last); });
    }
}

void LocalHub::set_link(ClientId id, LinkState state, bool bus_works, std::string why) {
    const std::lock_guard lock(clients_mutex_);
    const auto at = clients_.find(id);
    if (at == clients_.end()) {
        return;
    }
    Client& client = at->second;
    client.bus_works = bus_works;
    if (client.link == state) {
        return;
    }
    client.link = state;
    client.link_why = std::move(why);
    if (client.link_handler) {
        client.outlet.post(
            [call = client.link_handler, state, text = client.link_why] { (*call)(state, text); });
    }
}

void LocalHub::fail_request(const Request& request, const StoreError& error) {
    std::visit(Overloaded{[](const WatchFacts&) {},  // goes on when the link is back
                          [&](const PutFact& put) {
                              complete<Revision>(request.outlet, put.done, Unexpected{error});
                          },
                          [&](const ReadClaim& read) {
                              complete<std::optional<Claim>>(request.outlet, read.done,
                                                             Unexpected{error});
                          },
                          [&](const SwapClaim& swap) {
                              complete<Swap>(request.outlet, swap.done, Unexpected{error});
                          },
                          [&](const ListClaims& list) {
                              complete<std::vector<std::string>>(request.outlet, list.done,
                                                                 Unexpected{error});
                          }},
               request.operation);
}

}  // namespace anyswan::store
