// SPDX-License-Identifier: Apache-2.0
// The engine: which session an input is for, their timers and indexes. All protocol is elsewhere.
#include "core/ike/engine.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "core/crypto/crypto.h"
#include "core/ike/exchange/mobike.h"
#include "core/ike/exchange/redirect.h"
#include "core/ike/front.h"
#include "core/ike/queue.h"
#include "core/ike/session_records.h"

namespace anyswan::ike {

namespace {

/// RFC 7296 2.1: "a robust responder will do the IKE SA lookup using the whole packet, its hash, or
/// the Ni payload."
std::string init_key_of(const Endpoint& remote, ByteView packet) {
    Writer port;
    port.u16(remote.port);
    return to_string(crypto::sha256({remote.address.bytes(), port.view(), packet}));
}

/// Our SPI in a message: the other side's messages carry the I flag if it is the original
/// initiator.
IkeSpi our_spi_in(const wire::ike::Header& header) {
    return header.from_initiator ? header.responder_spi : header.initiator_spi;
}

bool alive(const Session& session) {
    return !session.is<Ended>();
}

}  // namespace

const char* name(EventKind kind) {
    switch (kind) {
        case EventKind::ike_sa_established:
            return "ike_sa_established";
        case EventKind::child_sa_established:
            return "child_sa_established";
        case EventKind::ike_sa_rekeyed:
            return "ike_sa_rekeyed";
        case EventKind::child_sa_rekeyed:
            return "child_sa_rekeyed";
        case EventKind::child_sa_ended:
            return "child_sa_ended";
        case EventKind::ike_sa_ended:
            return "ike_sa_ended";
        case EventKind::peer_refused:
            return "peer_refused";
        case EventKind::we_refused:
            return "we_refused";
        case EventKind::authentication_failed:
            return "authentication_failed";
        case EventKind::retransmission:
            return "retransmission";
        case EventKind::peer_unreachable:
            return "peer_unreachable";
        case EventKind::cookie_demanded:
            return "cookie_demanded";
        case EventKind::weak_algorithm:
            return "weak_algorithm";
        case EventKind::peer_moved:
            return "peer_moved";
        case EventKind::we_moved:
            return "we_moved";
        case EventKind::redirected:
            return "redirected";
    }
    return "unknown";
}

struct Engine::Impl final : Sessions {
    /// A session and where it stands in the indexes.
    struct Entry {
        std::unique_ptr<Session> session;
        std::optional<Instant> timer;
        std::optional<sa::TunnelId> tunnel;
        bool half_open = false;
    };

    EngineConfig config;
    Random& random;
    SpiSource& spis;
    const TunnelDirectory& tunnels;
    Front front;
    std::unordered_map<IkeSpi, Entry> entries;
    std::unordered_map<std::string, IkeSpi> by_init;
    std::multimap<sa::TunnelId, IkeSpi> by_tunnel;
    std::unordered_multimap<IkeSpi, IkeSpi> by_origin;
    std::set<std::pair<Instant, IkeSpi>> timers;
    std::size_t half_open = 0;
    /// Sessions that another session's step has touched.
    std::set<IkeSpi> touched = {};
    /// Where new peers are sent: all of them, or those of a tunnel.
    std::optional<Gateway> redirect_all = std::nullopt;
    std::map<sa::TunnelId, Gateway> redirects = {};

    Impl(EngineConfig engine_config, Random& random_source, SpiSource& spi_source,
         const TunnelDirectory& directory)
        : config(std::move(engine_config)),
          random(random_source),
          spis(spi_source),
          tunnels(directory) {}

    // Inputs.
    void on(Context& context, const DatagramReceived& input);
    void on(Context& context, const Initiate& input);
    void on(Context& context, const Terminate& input);
    void on(Context& context, const CreateChild& input);
    void on(Context& context, const RekeyChild& input);
    void on(Context& context, const DeleteChild& input);
    void on(Context& context, const RekeyIke& input);
    void on(Context& context, const ProbeLiveness& input);
    void on(Context& context, const PeerMoved& input);
    void on(Context& context, const MovePath& input);
    void on(Context& context, const RedirectNew& input);
    void on(Context& context, const Redirect& input);
    void on(Context& context, Adopt& input);
    void on(Context& context, AddressesGiven& input);
    void on(Context& context, const LostOwnership& input);
    void on(Context& context, const TimePassed& input);

    void on_init_request(Context& context, const Arrival& arrival);
    void end_older(Context& context, IkeSpi newest);
    void want(Context& context, IkeSpi spi, Task task);

    // For sessions that are rekeyed.
    IkeSpi new_spi() override;
    Session* find(IkeSpi spi) override;
    Session& add(std::unique_ptr<Session> session) override;
    std::vector<Session*> of_origin(IkeSpi origin) override;
    void settle_touched(Context& context);

    // Indexes.
    [[nodiscard]] Session* known(IkeSpi spi);
    void insert(std::unique_ptr<Session> session);
    void erase(IkeSpi spi);
    /// After every step of a session: brings its timer and indexes in line, forgets it when due.
    void settle(const Context& context, IkeSpi spi);
    [[nodiscard]] std::vector<IkeSpi> sessions_of(const sa::TunnelId& tunnel) const;
};

Session* Engine::Impl::known(IkeSpi spi) {
    const auto it = entries.find(spi);
    return it == entries.end() ? nullptr : it->second.session.get();
}

IkeSpi Engine::Impl::new_spi() {
    // The top 16 bits tell every edge whom to relay to; zero is "no SPI" (RFC 7296 2.6).
    constexpr std::uint64_t low_48 = 0xffffffffffff;
    for (;;) {
        const IkeSpi spi(std::uint64_t{config.edge_id.value()} << 48 | (random.u64() & low_48));
        if ((spi.value() & low_48) != 0 && known(spi) == nullptr) {
            return spi;
        }
    }
}

Session* Engine::Impl::find(IkeSpi spi) {
    touched.insert(spi);
    return known(spi);
}

Session& Engine::Impl::add(std::unique_ptr<Session> session) {
    Session& added = *session;
    touched.insert(added.our_spi);
    insert(std::move(session));
    return added;
}

std::vector<Session*> Engine::Impl::of_origin(IkeSpi origin) {
    std::vector<Session*> found;
    const auto [first, last] = by_origin.equal_range(origin);
    for (auto it = first; it != last; ++it) {
        found.push_back(find(it->second));
    }
    return found;
}

// After the actions of the step: what those sessions want may go out now.
void Engine::Impl::settle_touched(Context& context) {
    while (!touched.empty()) {
        const IkeSpi spi = *touched.begin();
        touched.erase(touched.begin());
        if (Session* session = known(spi)) {
            if (session->is<Established>()) {
                go_on(*session, context, {}, Persist::nothing);
            }
            settle(context, spi);
        }
    }
}

void Engine::Impl::insert(std::unique_ptr<Session> session) {
    const IkeSpi spi = session->our_spi;
    if (!session->init_key.empty()) {
        by_init[session->init_key] = spi;
    }
    by_origin.emplace(session->origin, spi);
    entries[spi].session = std::move(session);
}

void Engine::Impl::erase(IkeSpi spi) {
    const auto it = entries.find(spi);
    if (it == entries.end()) {
        return;
    }
    const Entry& entry = it->second;
    if (entry.timer) {
        timers.erase({*entry.timer, spi});
    }
    if (entry.tunnel) {
        const auto [first, last] = by_tunnel.equal_range(*entry.tunnel);
        by_tunnel.erase(std::find_if(first, last,
                                     [spi](const auto& indexed) { return indexed.second == spi; }));
    }
    const auto [first, last] = by_origin.equal_range(entry.session->origin);
    by_origin.erase(std::find_if(first, last, [spi](const auto& of) { return of.second == spi; }));
    if (entry.half_open) {
        --half_open;
    }
    by_init.erase(entry.session->init_key);
    entries.erase(it);
}

void Engine::Impl::settle(const Context& context, IkeSpi spi) {
    const auto it = entries.find(spi);
    if (it == entries.end()) {
        return;
    }
    Entry& entry = it->second;
    const Session& session = *entry.session;
    const auto* ended = std::get_if<Ended>(&session.state);
    if (ended != nullptr && ended->forget_at <= context.now.instant) {
        return erase(spi);
    }
    const std::optional<Instant> due = deadline(session);
    if (due != entry.timer) {
        if (entry.timer) {
            timers.erase({*entry.timer, spi});
        }
        if (due) {
            timers.insert({*due, spi});
        }
        entry.timer = due;
    }
    if (session.tunnel && !entry.tunnel) {
        entry.tunnel = session.tunnel;
        by_tunnel.emplace(*session.tunnel, spi);
    }
    if (session.is<HalfOpen>() != entry.half_open) {
        entry.half_open = session.is<HalfOpen>();
        half_open = entry.half_open ? half_open + 1 : half_open - 1;
    }
}

std::vector<IkeSpi> Engine::Impl::sessions_of(const sa::TunnelId& tunnel) const {
    std::vector<IkeSpi> found;
    const auto [first, last] = by_tunnel.equal_range(tunnel);
    for (auto it = first; it != last; ++it) {
        found.push_back(it->second);
    }
    return found;
}

void Engine::Impl::on(Context& context, const DatagramReceived& input) {
    const auto view = front.read_header(context, input);
    if (!view) {
        return;
    }
    const Arrival arrival{{input.local, input.remote}, *view, input.bytes};
    const wire::ike::Header& header = view->header;
    if (header.exchange == wire::ike::ExchangeType::ike_sa_init && !header.response) {
        return on_init_request(context, arrival);
    }
    const IkeSpi ours = our_spi_in(header);
    if (Session* session = known(ours)) {
        if (session->is<InitSent>()) {
            context.only_session_of_tunnel = sessions_of(*session->tunnel).size() == 1;
        }
        receive(*session, context, arrival);
        settle(context, ours);
        return end_older(context, ours);
    }
    // Our own message has our SPI where the peer's should be.
    const IkeSpi other = header.from_initiator ? header.initiator_spi : header.responder_spi;
    if (known(other) != nullptr) {
        return context.drop(DropReason::reflected, input.remote);
    }
    front.answer_unknown_spi(context, arrival);
}

void Engine::Impl::on_init_request(Context& context, const Arrival& arrival) {
    const wire::ike::Header& header = arrival.view.header;
    if (known(header.initiator_spi) != nullptr) {
        return context.drop(DropReason::reflected, arrival.path.remote);
    }
    // RFC 7296 3.1: the responder's SPI "MUST be zero in the first message of an IKE initial
    // exchange"; 2.2: the message ID is zero.
    if (!header.from_initiator || header.responder_spi != IkeSpi(0) ||
        header.message_id != MessageId(0)) {
        return context.drop(DropReason::bad_init_header, arrival.path.remote);
    }
    std::string key = init_key_of(arrival.path.remote, arrival.bytes);
    if (const auto seen = by_init.find(key); seen != by_init.end()) {
        Session& session = *known(seen->second);
        // "a retransmission belonging to an existing "half-open" IKE SA (in which case the
        // responder retransmits the same response) ... or it belongs to an existing IKE SA where
        // the IKE_AUTH request has been already received (in which case the responder ignores it)."
        if (!session.is<HalfOpen>()) {
            return context.drop(DropReason::duplicate_init, arrival.path.remote);
        }
        return act(session, context, {}, session.window.last_response());
    }
    const auto message = front.admit(context, arrival, half_open);
    if (!message) {
        return;
    }
    if (const auto away = redirect_all ? redirect::answer_init(*message, arrival.path.local.address,
                                                               *redirect_all)
                                       : std::nullopt) {
        context.drop(DropReason::redirected, arrival.path.remote, text_of(*redirect_all));
        front.refuse(context, arrival.path, header, *away);
        return;
    }
    auto session = sa_init::accept(context, front, arrival, *message, new_spi());
    if (session) {
        const IkeSpi spi = session->our_spi;
        session->init_key = std::move(key);
        insert(std::move(session));
        settle(context, spi);
    }
}

void Engine::Impl::end_older(Context& context, IkeSpi newest) {
    if (!context.initial_contact) {
        return;
    }
    const InitialContact contact = std::move(*context.initial_contact);
    context.initial_contact.reset();
    for (const IkeSpi spi : sessions_of(contact.tunnel)) {
        Session& session = *known(spi);
        const auto* older = std::get_if<Established>(&session.state);
        if (spi == newest || older == nullptr || older->peer_id != contact.peer_id) {
            continue;
        }
        replaced(session, context);
        settle(context, spi);
    }
}

void Engine::Impl::on(Context& context, const Initiate& input) {
    for (const IkeSpi spi : sessions_of(input.tunnel)) {
        const Session& session = *known(spi);
        if (session.origin_initiated && alive(session) && !session.is<Deleting>()) {
            return;
        }
    }
    auto session = sa_init::start(context, input, new_spi());
    if (session) {
        const IkeSpi spi = session->our_spi;
        insert(std::move(session));
        settle(context, spi);
    }
}

void Engine::Impl::on(Context& context, const Terminate& input) {
    for (const IkeSpi spi : sessions_of(input.tunnel)) {
        if (!input.our_spi || *input.our_spi == spi) {
            terminate(*known(spi), context);
            settle(context, spi);
        }
    }
}

void Engine::Impl::want(Context& context, IkeSpi spi, Task task) {
    if (Session* session = known(spi)) {
        wish(*session, context, std::move(task));
        settle(context, spi);
    }
}

void Engine::Impl::on(Context& context, const CreateChild& input) {
    want(context, input.our_spi, task::NewChild{.made_for = input.made_for});
}

void Engine::Impl::on(Context& context, const RekeyChild& input) {
    want(context, input.our_spi, task::RekeyChild{input.inbound_spi});
}

void Engine::Impl::on(Context& context, const DeleteChild& input) {
    want(context, input.our_spi, task::DeleteChildren{{input.inbound_spi}});
}

void Engine::Impl::on(Context& context, const RekeyIke& input) {
    want(context, input.our_spi, task::RekeyIke{});
}

void Engine::Impl::on(Context& context, const ProbeLiveness& input) {
    if (Session* session = known(input.our_spi)) {
        probe(*session, context);
        settle(context, input.our_spi);
    }
}

void Engine::Impl::on(Context&, const PeerMoved& input) {
    const auto [first, last] = by_origin.equal_range(input.origin);
    for (auto it = first; it != last; ++it) {
        esp_moved(*known(it->second), {input.local, input.remote});
    }
}

void Engine::Impl::on(Context& context, const MovePath& input) {
    for (const IkeSpi spi : sessions_of(input.tunnel)) {
        Session& session = *known(spi);
        if (session.origin_initiated) {
            mobike::move(session, context, {input.local, input.remote});
            settle(context, spi);
        }
    }
}

void Engine::Impl::on(Context&, const RedirectNew& input) {
    if (!input.tunnel) {
        redirect_all = input.to;
    } else if (input.to) {
        redirects.insert_or_assign(*input.tunnel, *input.to);
    } else {
        redirects.erase(*input.tunnel);
    }
}

void Engine::Impl::on(Context& context, const Redirect& input) {
    want(context, input.our_spi, task::Redirect{input.to});
}

void Engine::Impl::on(Context& context, Adopt& input) {
    if (input.record.ended) {
        return;
    }
    const IkeSpi spi = input.record.our_spi;
    erase(spi);
    auto session = std::make_unique<Session>(session_from(std::move(input), config, context.now));
    if (const auto& outstanding = session->window.outstanding()) {
        act(*session, context, {}, outstanding->datagrams);
    }
    insert(std::move(session));
    mobike::go_on(*known(spi), context);
    settle(context, spi);
}

void Engine::Impl::on(Context& context, AddressesGiven& input) {
    const IkeSpi spi = input.our_spi;
    Session* session = known(spi);
    if (session == nullptr || !session->is<HalfOpen>()) {
        return;  // it took too long
    }
    auth::on_addresses(*session, context, std::move(input));
    settle(context, spi);
    end_older(context, spi);
}

void Engine::Impl::on(Context&, const LostOwnership& input) {
    erase(input.our_spi);
}

void Engine::Impl::on(Context& context, const TimePassed&) {
    while (!timers.empty() && timers.begin()->first <= context.now.instant) {
        const IkeSpi spi = timers.begin()->second;
        on_timer(*known(spi), context);
        settle(context, spi);
    }
}

Engine::Engine(EngineConfig config, Random& random, SpiSource& spis, const TunnelDirectory& tunnels)
    : impl_(std::make_unique<Impl>(std::move(config), random, spis, tunnels)) {}

Engine::~Engine() = default;

Outputs Engine::step(Now now, Input input) {
    Outputs out;
    Context context{impl_->config, impl_->random, impl_->spis, impl_->tunnels,
                    now,           out,           *impl_,      impl_->redirects};
    std::visit([this, &context](auto& typed) { impl_->on(context, typed); }, input);
    impl_->settle_touched(context);
    return out;
}

std::optional<Instant> Engine::next_deadline() const {
    const auto& timers = impl_->timers;
    return timers.empty() ? std::nullopt : std::optional(timers.begin()->first);
}

std::vector<IkeSaSummary> Engine::list() const {
    std::vector<IkeSaSummary> rows;
    for (const auto& [spi, entry] : impl_->entries) {
        if (alive(*entry.session)) {
            rows.push_back(summary_of(*entry.session));
        }
    }
    std::sort(rows.begin(), rows.end(), [](const IkeSaSummary& a, const IkeSaSummary& b) {
        return std::tie(a.tunnel, a.our_spi) < std::tie(b.tunnel, b.our_spi);
    });
    return rows;
}

bool Engine::runs(IkeSpi ours) const {
    return impl_->entries.contains(ours);
}

std::vector<IkeSpi> Engine::kin(IkeSpi ours) const {
    const Session* session = impl_->known(ours);
    return session == nullptr ? std::vector<IkeSpi>{} : kin_of(*session);
}

std::optional<ReadingKeys> Engine::reading_keys(SpiPair spis) const {
    for (const IkeSpi spi : {spis.responder, spis.initiator}) {
        const Session* session = impl_->known(spi);
        if (session == nullptr || !session->channel || session->spis() != spis) {
            continue;
        }
        const IkeKeys& keys = session->channel->keys();
        return ReadingKeys{session->tunnel,
                           {session->channel->suite().cipher, keys.ei.clone(), keys.er.clone(),
                            keys.ai.clone(), keys.ar.clone()}};
    }
    return std::nullopt;
}

}  // namespace anyswan::ike
