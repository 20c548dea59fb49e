// SPDX-License-Identifier: Apache-2.0
#include "core/ike/conformance/script.h"

#include "core/ike/conformance/draft.h"
#include "core/ike/helpers.h"
#include "core/ike/limits.h"

namespace anyswan::ike::test {

namespace {

using wire::ike::HeaderView;
using wire::ike::PayloadType;

constexpr std::array ike_suites{
    "aes256gcm16-prfsha256-x25519",
    "aes128-sha256-x25519",
    "aes256gcm16-prfsha256-x25519-ke1_mlkem512",
    "chacha20poly1305-prfsha256-ecp256",
};
constexpr std::array esp_suites{"aes256gcm16", "aes256gcm16-x25519"};
constexpr std::size_t steps_max = 200;
constexpr int takeovers_max = 8;

class Player {
public:
    explicit Player(ByteView script) : in_(script) {
        const std::uint8_t how = octet();
        // N4 rests on the peer's repeating a request unchanged: it doesn't hold towards one that
        // says something new under an old message ID to an edge that has just taken over. And an
        // empty answer that two owners give has the same octets under an AEAD only.
        liars_ = (how & 0x80U) != 0;
        mobike_ = (how & 0x08U) != 0;
        const std::size_t suite = how % ike_suites.size();
        const bool cbc = suite == 1;
        for (Side* side : {&world_.customer, &world_.fleet}) {
            sa::TunnelRecord& tunnel = side->directory.tunnels.front();
            tunnel.ike_suites = {ike_suite(ike_suites.at(cbc && !liars_ ? 0 : suite))};
            tunnel.esp_suites = {esp_suite(esp_suites.at(how / 4 % esp_suites.size()))};
            tunnel.mobike = mobike_;
            if (mobike_) {
                tunnel.remote_addresses.clear();
            }
        }
        if ((how & 0x10U) != 0) {
            world_.fleet.config.cookie_threshold = 0;
            world_.fleet.restart(7, 2);
        }
        if ((how & 0x20U) != 0) {
            world_.nat = *IpAddress::parse("203.0.113.9");
        }
        if ((how & 0x08U) != 0) {
            world_.fleet.directory.tunnels.front().addressing.pool = {net("10.9.0.0/30")};
            world_.customer.directory.tunnels.front().addressing.request = {IpFamily::v4};
        }
        // Half of all scripts begin with an IKE SA that is established.
        (how & 0x40U) != 0 ? world_.initiate() : start(world_.customer);
        give_addresses();
        if ((how & 0x40U) != 0) {
            world_.deliver();
        }
    }

    void play() {
        for (std::size_t i = 0; i < steps_max && !in_.empty(); ++i) {
            step();
            give_addresses();
            check_bounds();
        }
        world_.deliver();
        world_.wait(600s);
        check_bounds();
        for (const Side* side : {&world_.customer, &world_.fleet}) {
            const std::string words = side->facts_differ();
            check(words.empty(), words.c_str());
        }
    }

private:
    std::uint8_t octet() { return in_.u8().value_or(0); }
    Bytes octets(std::size_t size) { return to_bytes(*in_.take(std::min(size, in_.remaining()))); }

    void step() {
        const std::uint8_t what = octet();
        Side& side = (what & 0x80U) != 0 ? world_.fleet : world_.customer;
        constexpr unsigned honest = 8;
        constexpr unsigned all = 12;
        switch (what % (liars_ ? all : honest)) {
            case 0:
            case 1:
                return wish(side);
            case 2:
            case 3:
                return weather(side, true, false);
            case 4:
                return weather(side, false, false);
            case 5:
                return weather(side, true, true);
            case 6:
                return world_.pass(Duration(100ms) * octet());
            case 7:
                return take_over(side);
            case 8:
            case 9:
                return lie(side);
            case 10:
                return say(side);
            default:
                return noise(side);
        }
    }

    /// What the host does.
    void give_addresses() {
        for (; given_ < world_.fleet.addresses_wanted.size(); ++given_) {
            const AddressesWanted& wanted = world_.fleet.addresses_wanted[given_];
            world_.tell(
                world_.fleet,
                AddressesGiven{wanted.our_spi, wanted.tunnel, {net("10.9.0.1/32").address}});
        }
    }

    void start(Side& side) {
        const bool customer = &side == &world_.customer;
        world_.tell(side, Initiate{{"acme", "hq"},
                                   at(customer ? "198.51.100.7" : "192.0.2.1", 500),
                                   at(customer ? "192.0.2.1" : "198.51.100.7", 500)});
    }

    /// The customer is somewhere else from now on, or at home again.
    void move(unsigned where) {
        constexpr std::array places{"198.51.100.7", "203.0.113.20", "203.0.113.30"};
        world_.move_customer(places.at(where % places.size()));
    }

    void wish(Side& side) {
        const std::uint8_t what = octet();
        const auto rows = side.engine->list();
        if (rows.empty()) {
            return start(side);
        }
        const IkeSaSummary& row = rows[what / 8 % rows.size()];
        const bool childless = row.children.empty();
        const EspSpi child =
            childless ? EspSpi{} : row.children[what / 64 % row.children.size()].inbound_spi;
        switch (what % 8) {
            case 0:
            case 1:
                return world_.tell(side, RekeyChild{row.our_spi, child});
            case 2:
                return world_.tell(side, RekeyIke{row.our_spi});
            case 3:
                return world_.tell(side, CreateChild{row.our_spi});
            case 4:
                return world_.tell(side, DeleteChild{row.our_spi, child});
            case 5:
                return world_.tell(side, ProbeLiveness{row.our_spi});
            case 6:
                return mobike_ ? move(what / 8) : start(side);
            default:
                return world_.tell(side, Terminate{{"acme", "hq"}, row.our_spi});
        }
    }

    /// One of the datagrams that a side has on the wire, off it or not.
    std::optional<World::Carried> pick(Side& side, bool keep) {
        std::deque<World::Carried> sent = world_.take_from(side);
        if (sent.empty()) {
            return std::nullopt;
        }
        const std::size_t at = octet() % sent.size();
        World::Carried picked = sent[at];
        if (!keep) {
            sent.erase(sent.begin() + static_cast<std::ptrdiff_t>(at));
        }
        world_.put_back(sent);
        return picked;
    }

    void weather(Side& side, bool arrives, bool keep) {
        const auto picked = pick(side, keep);
        if (picked && arrives) {
            world_.arrive(*picked);
        }
    }

    void take_over(Side& side) {
        if (!liars_ && takeovers_ < takeovers_max) {
            world_.take_over(side, static_cast<std::uint16_t>(100 + ++takeovers_));
        }
    }

    /// What the two sides know of the keys of a message.
    std::optional<Sealer> sealer_for(const wire::ike::Header& header) {
        const SpiPair spis{header.initiator_spi, header.responder_spi};
        for (const Side* side : {&world_.customer, &world_.fleet}) {
            if (auto found = side->engine->reading_keys(spis)) {
                return Sealer(std::move(found->keys));
            }
        }
        return std::nullopt;
    }

    /// A side says something else than it should: its message, altered and sealed again.
    void lie(Side& side) {
        auto picked = pick(side, true);
        if (!picked) {
            return;
        }
        const auto view = HeaderView::read(picked->datagram.bytes);
        auto sealer = sealer_for(view->header);
        const bool initial = view->header.exchange == wire::ike::ExchangeType::ike_sa_init;
        if (!sealer && !initial) {
            return;
        }
        Sealer pen = sealer ? std::move(*sealer) : Sealer(MessageKeys{});
        auto draft = pen.open(picked->datagram.bytes);
        if (!draft) {
            return;
        }
        for (int edits = 1 + octet() % 4; edits > 0; --edits) {
            edit(*draft);
        }
        for (Bytes& datagram : pen.close(*draft)) {
            picked->datagram.bytes = std::move(datagram);
            world_.arrive(*picked);
        }
    }

    /// A message made up: of an IKE SA that is there, with payloads of the script.
    void say(Side& side) {
        const auto rows = side.engine->list();
        if (rows.empty()) {
            return;
        }
        const IkeSaSummary& row = rows[octet() % rows.size()];
        const std::uint8_t flags = octet();
        const bool initiator = (flags & 0x08U) != 0;
        const SpiPair spis =
            initiator ? SpiPair{row.our_spi, row.peer_spi} : SpiPair{row.peer_spi, row.our_spi};
        auto keys = side.engine->reading_keys(spis);
        if (!keys) {
            return;
        }
        wire::ike::Header header;
        header.initiator_spi = spis.initiator;
        header.responder_spi = spis.responder;
        header.exchange = static_cast<wire::ike::ExchangeType>(34 + octet() % 12);
        header.from_initiator = initiator;
        header.response = (flags & 0x20U) != 0;
        header.message_id = MessageId(octet() % 32);
        Draft draft;
        draft.header = wire::ike::emit_header(header, PayloadType::no_next_payload, 0);
        for (int count = octet() % 16; count > 0; --count) {
            draft.payloads.push_back(payload());
        }
        Sealer pen(std::move(keys->keys));
        for (Bytes& datagram : pen.close(draft)) {
            world_.arrive({&side, {row.local, row.remote, std::move(datagram)}});
        }
    }

    RawPayload payload() {
        RawPayload made;
        made.type = static_cast<PayloadType>(33 + octet() % 22);
        const std::uint8_t size = octet();
        made.flags = (size & 0x80U) != 0 ? 0x80 : 0;
        made.body = octets(size & 0x7fU);
        return made;
    }

    void edit(Draft& draft) {
        const std::uint8_t what = octet();
        const std::size_t count = draft.payloads.size();
        if (what % 8 == 0) {
            draft.header[octet() % draft.header.size()] = octet();
            return;
        }
        if (what % 8 == 1 || count == 0) {
            draft.payloads.insert(
                draft.payloads.begin() + static_cast<std::ptrdiff_t>(octet() % (count + 1)),
                payload());
            return;
        }
        const auto at = draft.payloads.begin() + static_cast<std::ptrdiff_t>(octet() % count);
        switch (what % 8) {
            case 2:
                draft.payloads.erase(at);
                return;
            case 3: {
                const RawPayload copy = *at;
                draft.payloads.insert(at, copy);
                return;
            }
            case 4:
                at->body.resize(octet());
                return;
            case 5:
                std::swap(*at, draft.payloads.front());
                return;
            case 6:
                fragment(draft);
                return;
            default:
                if (!at->body.empty()) {
                    at->body[octet() % at->body.size()] = octet();
                }
        }
    }

    void fragment(Draft& draft) {
        auto& fragments = draft.wrapping.fragments;
        for (int count = octet() % 6; count > 0; --count) {
            const std::size_t from = octet();
            fragments.push_back({static_cast<std::uint16_t>(octet() % 8),
                                 static_cast<std::uint16_t>(octet() % 8), from, from + octet()});
        }
    }

    /// Octets at random, perhaps with the SPIs of an IKE SA.
    void noise(Side& side) {
        Bytes bytes = octets(octet());
        const auto rows = side.engine->list();
        if (bytes.size() >= wire::ike::header_size) {
            const MutableBytes header(bytes);
            store_u32(header.subspan(24), static_cast<std::uint32_t>(bytes.size()));
            if (!rows.empty()) {
                store_u64(header, rows.front().our_spi.value());
                store_u64(header.subspan(8), rows.front().peer_spi.value());
            }
        }
        world_.arrive({&side, {at("198.51.100.7", 500), at("192.0.2.1", 500), std::move(bytes)}});
    }

    void check_bounds() {
        for (const Side* side : {&world_.customer, &world_.fleet}) {
            const auto rows = side->engine->list();
            check(rows.size() <= 2 * steps_max, "IKE SAs without bound");
            for (const IkeSaSummary& row : rows) {
                check(row.children.size() <= 2 * children_max, "Child SAs without bound");
            }
            check(side->engine->next_deadline().has_value() || timeless(rows),
                  "an IKE SA that waits for nothing");
        }
    }
    /// Established and idle, or nothing there.
    static bool timeless(const std::vector<IkeSaSummary>& rows) {
        return std::all_of(rows.begin(), rows.end(),
                           [](const IkeSaSummary& row) { return row.state == "established"; });
    }

    Reader in_;
    World world_;
    bool liars_ = false;
    bool mobike_ = false;
    int takeovers_ = 0;
    std::size_t given_ = 0;  // of the addresses that were wanted
};

}  // namespace

void play_script(ByteView script) {
    Player(script).play();
}

}  // namespace anyswan::ike::test
