// SPDX-License-Identifier: Apache-2.0
#include "core/ike/conformance/moment.h"

#include "core/sa/codec.h"

namespace anyswan::ike::test {

namespace {

void use(World& world, std::string_view ike, std::string_view esp) {
    for (Side* side : {&world.customer, &world.fleet}) {
        side->directory.tunnels[0].ike_suites = {ike_suite(ike)};
        side->directory.tunnels[0].esp_suites = {esp_suite(esp)};
    }
}

void give_address(World& world) {
    world.fleet.directory.tunnels[0].remote_prefixes.clear();
    world.fleet.directory.tunnels[0].addressing.pool = {net("10.9.0.5/32")};
    world.customer.directory.tunnels[0].local_prefixes.clear();
    world.customer.directory.tunnels[0].addressing.request = {IpFamily::v4};
}

bool before_established(About about) {
    return about == About::init || about == About::intermediate || about == About::auth;
}

std::string hex_of(const sa::Record& record) {
    return to_hex(sa::encode_record(record).reveal()) + "\n";
}

}  // namespace

Stage::Stage(const Moment& moment) {
    use(world, moment.ike, moment.esp);
    if (moment.configuration) {
        give_address(world);
    }
    Side& asks = moment.fleet_asks ? world.fleet : world.customer;
    Side& other = world.other(asks);
    if (before_established(moment.about)) {
        world.tell(world.customer,
                   Initiate{{"acme", "hq"}, at("198.51.100.7", 500), at("192.0.2.1", 500)});
        // Each exchange before it, both ways.
        for (int before = moment.about == About::init                                  ? 0
                          : moment.about == About::intermediate                        ? 1
                          : ike_suite(moment.ike).additional == crypto::AdditionalKe{} ? 1
                                                                                       : 2;
             before > 0; --before) {
            world.deliver_from(asks);
            world.deliver_from(other);
        }
    } else {
        world.initiate();
        check(world.up(), "the two sides come up");
        ask(moment.about, asks);
    }
    if (moment.response) {
        world.deliver_from(asks);
    }
    sender = moment.response ? &other : &asks;
    receiver = &world.other(*sender);
    const auto taken = world.take_from(*sender);
    check(taken.size() == 1, "one datagram is about to arrive");
    carried_ = taken.front();
    message = carried_.datagram.bytes;
    const auto view = wire::ike::HeaderView::read(message);
    check(view.has_value(), "an IKE message");
    auto found =
        receiver->engine->reading_keys({view->header.initiator_spi, view->header.responder_spi});
    sealer.emplace(found ? std::move(found->keys) : MessageKeys{});
}

void Stage::ask(About about, Side& side) {
    switch (about) {
        case About::new_child:
            return world.create_child(side);
        case About::rekey_child:
            return world.rekey_child(side);
        case About::rekey_ike:
            return world.rekey_ike(side);
        case About::delete_child:
            return world.delete_child(side);
        case About::delete_ike:
            return world.delete_ike(side);
        default:
            return world.probe(side);
    }
}

void Stage::arrive(Bytes datagram) {
    World::Carried carried = carried_;
    carried.datagram.bytes = std::move(datagram);
    world.arrive(carried);
}

void Stage::go_on() {
    world.deliver();
    world.wait(120s);
}

std::string Stage::unhealthy() {
    const auto disagreement = [this](const std::string& when) {
        const std::string words = world.disagreement();
        return words.empty() ? words : when + ": " + words;
    };
    if (std::string words = disagreement("afterwards"); !words.empty()) {
        return words;
    }
    if (world.customer.established().size() != 1) {
        return "customer has " + std::to_string(world.customer.established().size()) +
               " established IKE SAs";
    }
    const bool childless = world.customer.child_sa() == nullptr;
    const int before = world.customer.count(EventKind::child_sa_rekeyed) +
                       world.customer.count(EventKind::child_sa_established);
    childless ? world.create_child(world.customer) : world.rekey_child(world.customer);
    world.deliver();
    world.wait(10s);
    const int after = world.customer.count(EventKind::child_sa_rekeyed) +
                      world.customer.count(EventKind::child_sa_established);
    if (after != before + 1) {
        return "no Child SA can be made any more";
    }
    return disagreement("after one more Child SA");
}

std::string Stage::state(bool with_window) const {
    std::string text;
    for (const auto& [spi, claim] : receiver->ike_sas) {
        sa::IkeSaRecord copy = claim.clone();
        if (!with_window) {
            copy.expected_request = {};
            copy.next_iv = 0;
            copy.last_response.clear();
        }
        text += hex_of(sa::Record(std::move(copy)));
    }
    for (const auto& [spi, child] : receiver->children) {
        text += hex_of(sa::Record(child.clone()));
    }
    for (const auto& [spi, endpoint] : receiver->endpoints) {
        text += hex_of(sa::Record(endpoint));
    }
    for (const IkeSaSummary& row : receiver->engine->list()) {
        text += row.state + " " + row.suite + " " + std::to_string(row.our_spi.value()) + " " +
                std::to_string(row.peer_spi.value()) + " " + row.remote.to_string() +
                (row.rekeying ? " rekeying" : "");
        for (const ChildSummary& child : row.children) {
            text += " " + std::to_string(child.inbound_spi.value()) +
                    (child.rekeying ? " rekeying" : "");
        }
        text += "\n";
    }
    return text;
}

}  // namespace anyswan::ike::test
