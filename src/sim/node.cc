// SPDX-License-Identifier: Apache-2.0
#include "sim/node.h"

#include <algorithm>

#include "core/wire/ip/ip_view.h"
#include "dataplane/forward/limits.h"
#include "sim/faulty_store.h"

namespace anyswan::sim {

namespace {

// 2026-01-01: the wall clock when a simulation begins.
constexpr std::int64_t epoch_unix_ns = 1767225600LL * 1000000000LL;
// Where composed inner packets carry their number.
constexpr std::size_t udp_payload_offset = 28;

class SimAlarm final : public edge::Alarm {
public:
    SimAlarm(Clockwork& clockwork, Life life) : clockwork_(clockwork), life_(std::move(life)) {}
    void set(Instant when, std::function<void()> task) override {
        cancel();
        clockwork_.at(when, life_,
                      [generation = generation_, expected = *generation_, task = std::move(task)] {
                          if (*generation == expected) {
                              task();
                          }
                      });
    }
    void cancel() override { ++*generation_; }

private:
    Clockwork& clockwork_;
    Life life_;
    std::shared_ptr<std::uint64_t> generation_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace

/// The fake driver, kept at the node's time and emptied after each call.
class SimDriver final : public dataplane::Driver {
public:
    SimDriver(Node& node, const dataplane::ForwarderOptions& options, dataplane::DriverSink sink)
        : node_(node), fake_(options, node.driver_random_, std::move(sink)), timer_(node.loop_) {
        timer_.every(dataplane::tick_interval, [this] {
            node_.advance_driver();
            if (node_.around_.bugs.windows_forgotten) {
                forget_windows();
            }
            node_.drain();
        });
    }
    SimDriver(const SimDriver&) = delete;
    SimDriver& operator=(const SimDriver&) = delete;
    ~SimDriver() override { node_.driver_ = nullptr; }

    void apply(std::span<const dataplane::Change> changes) override {
        node_.advance_driver();
        fake_.apply(changes);
        node_.note_sas(changes);
        if (node_.around_.bugs.windows_forgotten) {
            remember(changes);
        }
        node_.drain();
    }
    /// The deliberate bug: every SA is made anew, with nothing received yet.
    void forget_windows() {
        for (const auto& [spi, install] : installed_) {
            const dataplane::Change remove = dataplane::RemoveSa{spi};
            fake_.apply({&remove, 1});
            fake_.apply({&install, 1});
        }
    }
    void send_ike(std::span<const dataplane::IkeDatagram> datagrams) override {
        fake_.send_ike(datagrams);
        node_.drain();
    }
    [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override {
        return fake_.counters();
    }
    [[nodiscard]] std::string describe() const override { return fake_.describe(); }
    void stop() override { fake_.stop(); }
    [[nodiscard]] dataplane::FakeDriver& fake() { return fake_; }

private:
    void remember(std::span<const dataplane::Change> changes) {
        for (const dataplane::Change& change : changes) {
            if (const auto* install = std::get_if<dataplane::InstallSa>(&change)) {
                installed_.insert_or_assign(install->record.inbound_spi, dataplane::clone(change));
            } else if (const auto* remove = std::get_if<dataplane::RemoveSa>(&change)) {
                installed_.erase(remove->inbound_spi);
            }
        }
    }

    Node& node_;
    dataplane::FakeDriver fake_;
    edge::Timer timer_;
    std::map<EspSpi, dataplane::Change> installed_;
};

Now SimLoop::now() const {
    const Instant instant = clockwork_.now();
    return {instant, {epoch_unix_ns + instant.since_start.count() + skew_.count()}};
}

std::unique_ptr<edge::Alarm> SimLoop::make_alarm() {
    return std::make_unique<SimAlarm>(clockwork_, life_);
}

Node::Node(const Surroundings& around, NodePlan plan)
    : around_(around),
      plan_(std::move(plan)),
      loop_(around.clockwork, life_, plan_.skew),
      random_(plan_.seed),
      driver_random_(plan_.seed + 1) {
    config::EdgeConfig config;
    std::swap(config, plan_.config);
    edge_ = std::make_unique<edge::Edge>(*this, std::move(config), std::move(plan_.connector));
}

Node::~Node() {
    life_.reset();  // from here on nothing of it is sent or runs
    edge_.reset();
}

void Node::start() {
    const auto die = [this](const Error& why) { fatal_ = why.message; };
    if (Status started = edge_->start(die); !started) {
        die(started.error());
    }
}

Result<std::unique_ptr<store::Store>> Node::open_store(const config::StoreChoice& /*choice*/) {
    auto client = plan_.hub->connect([this](std::function<void()> task) {
        const auto longest = static_cast<std::uint64_t>(plan_.store_latency.count());
        const Duration delay(longest == 0 ? 0 : driver_random_.below(longest));
        store_answers_ = std::max(store_answers_, around_.clockwork.now() + delay);
        around_.clockwork.at(store_answers_, life_, std::move(task));
    });
    store_ = client.get();
    return spoil(std::move(client), bus_silent_, around_.bugs, edge_->config().fleet_keys,
                 around_.oracle);
}

Result<std::unique_ptr<dataplane::Driver>> Node::make_driver(const edge::DriverWishes& wishes,
                                                             dataplane::DriverSink sink) {
    dataplane::ForwarderOptions options;
    options.incarnation = around_.bugs.one_incarnation ? Incarnation(1) : wishes.incarnation;
    auto driver = std::make_unique<SimDriver>(*this, options, std::move(sink));
    driver_ = &driver->fake();
    return std::unique_ptr<dataplane::Driver>(std::move(driver));
}

Status Node::announce(const IpAddress& /*address*/) {
    return {};
}

Status Node::withdraw(const IpAddress& /*address*/) {
    return {};
}

// The announce hook.
void Node::run(net::Command command, std::function<void(Status)> done) {
    loop_.post([this, command = std::move(command), done = std::move(done)] {
        done(run_and_wait(command));
    });
}

Status Node::run_and_wait(const net::Command& command) {
    announced_ = command.words.back() == "up";
    return {};
}

void Node::advance_driver() {
    if (driver_ != nullptr) {
        driver_->advance_to(loop_.now());
    }
}

void Node::note_sas(std::span<const dataplane::Change> changes) {
    for (const dataplane::Change& change : changes) {
        const auto* install = std::get_if<dataplane::InstallSa>(&change);
        if (install == nullptr) {
            continue;
        }
        const sa::ChildSaRecord& record = install->record;
        std::vector<Sender>& senders = senders_[record.outbound_spi];
        auto transform =
            esp::Transform::make(record.outbound_spi, record.suite, record.outbound.encr.reveal(),
                                 record.outbound.integ.reveal());
        check(transform.has_value(), "an SA that the simulation made");
        if (std::ranges::find(senders, record.inbound_spi, &Sender::inbound) == senders.end()) {
            senders.push_back({record.inbound_spi, std::move(*transform)});
            around_.oracle.secrets().add(record.inbound.encr.reveal());
            around_.oracle.secrets().add(record.outbound.encr.reveal());
            if (plan_.on_new_sa) {
                plan_.on_new_sa(record);
            }
        }
    }
}

/// The Child SA whose key opens the packet.
EspSpi Node::sender_of(ByteView packet) {
    std::vector<Sender>& senders = senders_[EspSpi(load_u32(packet))];
    if (senders.size() == 1) {
        return senders.front().inbound;
    }
    for (Sender& sender : senders) {
        esp::Packet copy = esp::Packet::copy_of(packet);
        if (sender.transform.good_length(packet.size()) &&
            sender.transform.decrypt(copy, SequenceNumber(load_u32(packet.subspan(4))))) {
            return sender.inbound;
        }
    }
    check(false, "a packet of no Child SA");
    return {};
}

void Node::receive(const Datagram& datagram) {
    if (driver_ == nullptr) {
        return;
    }
    advance_driver();
    if (datagram.esp) {
        std::vector<esp::OuterPacket> packets;
        packets.push_back({esp::Packet::copy_of(datagram.bytes), datagram.to, datagram.from,
                           datagram.udp_encapsulation, 0});
        driver_->receive(std::move(packets));
    } else {
        driver_->receive_ike({{datagram.to, datagram.from, datagram.bytes}});
    }
    drain();
}

void Node::send_inner(ByteView packet) {
    if (driver_ != nullptr) {
        advance_driver();
        driver_->send_inner("acme", packet);
        drain();
    }
}

void Node::drain() {
    if (driver_ == nullptr || life_ == nullptr) {
        return;
    }
    for (esp::OuterPacket& packet : driver_->take_outer()) {
        const ByteView bytes = packet.packet.bytes();
        around_.oracle.esp_sent(packet.remote, sender_of(bytes), bytes, plan_.name);
        around_.network.send(plan_.number, {packet.local, packet.remote, to_bytes(bytes), true,
                                            packet.udp_encapsulation});
    }
    for (dataplane::IkeDatagram& datagram : driver_->take_ike()) {
        if (!datagram.bytes.empty()) {  // else a NAT-keepalive
            around_.oracle.seen(datagram.bytes, "on the wire, sent by " + plan_.name);
            around_.oracle.ike_sent(datagram.bytes, plan_.name);
        }
        around_.network.send(plan_.number,
                             {datagram.local, datagram.remote, std::move(datagram.bytes)});
    }
    for (const dataplane::FakeInner& inner : driver_->take_inner()) {
        const ByteView packet = inner.packet;
        const auto view = wire::ip::parse_ip(packet);
        if (view && view->protocol == wire::ip::IpProtocol::udp &&
            packet.size() >= udp_payload_offset + sizeof(std::uint64_t)) {
            around_.oracle.inner_received(loop_.now().instant, plan_.name, plan_.life,
                                          load_u64(packet.subspan(udp_payload_offset)));
        }
    }
}

}  // namespace anyswan::sim
