// SPDX-License-Identifier: Apache-2.0
#include "core/ike/conformance/row.h"

#include <algorithm>

namespace anyswan::ike::test {

namespace {

Bytes octets_of(std::string_view text) {
    std::string digits;
    std::copy_if(text.begin(), text.end(), std::back_inserter(digits),
                 [](char c) { return c != ' '; });
    auto bytes = from_hex(digits);
    check(bytes.has_value(), "octets in a row of the table");
    return std::move(*bytes);
}

RawPayload& the(Draft& draft, Type type) {
    RawPayload* found = draft.find(type);
    check(found != nullptr, "the true message has the payload that a row alters");
    return *found;
}

Edit on(Type type, std::function<void(RawPayload&)> change) {
    return [type, change = std::move(change)](Draft& draft) { change(the(draft, type)); };
}

Edit wrap(std::function<void(Wrapping&)> change) {
    return [change = std::move(change)](Draft& draft) { change(draft.wrapping); };
}

}  // namespace

Edit drop(Type type) {
    return [type](Draft& draft) {
        (void)the(draft, type);
        std::erase_if(draft.payloads,
                      [type](const RawPayload& payload) { return payload.type == type; });
    };
}

Edit twice(Type type) {
    return [type](Draft& draft) {
        const RawPayload copy = the(draft, type);
        const auto at = std::find_if(draft.payloads.begin(), draft.payloads.end(),
                                     [type](const RawPayload& each) { return each.type == type; });
        draft.payloads.insert(at, copy);
    };
}

Edit only(Type type) {
    return [type](Draft& draft) {
        std::erase_if(draft.payloads,
                      [type](const RawPayload& payload) { return payload.type != type; });
    };
}

Edit no_payloads() {
    return [](Draft& draft) { draft.payloads.clear(); };
}

Edit add(Type type, std::string_view body) {
    return [type, octets = octets_of(body)](Draft& draft) {
        draft.payloads.push_back({type, 0, octets, {}});
    };
}

Edit add_first(Type type, std::string_view body) {
    return [type, octets = octets_of(body)](Draft& draft) {
        draft.payloads.insert(draft.payloads.begin(), {type, 0, octets, {}});
    };
}

Edit add_critical(Type type, std::string_view body) {
    return [type, octets = octets_of(body)](Draft& draft) {
        draft.payloads.push_back({type, 0x80, octets, {}});
    };
}

Edit many(std::size_t count, Type type, std::string_view body) {
    return [count, type, octets = octets_of(body)](Draft& draft) {
        draft.payloads.insert(draft.payloads.end(), count, RawPayload{type, 0, octets, {}});
    };
}

Edit put(Type type, std::string_view body) {
    return on(type, [octets = octets_of(body)](RawPayload& payload) { payload.body = octets; });
}

Edit patch(Type type, std::size_t at, std::string_view octets) {
    return on(type, [at, written = octets_of(octets)](RawPayload& payload) {
        check(at + written.size() <= payload.body.size(), "a patch within the payload");
        std::copy(written.begin(), written.end(),
                  payload.body.begin() + static_cast<std::ptrdiff_t>(at));
    });
}

Edit fill(Type type, std::size_t at, std::size_t size, std::uint8_t value) {
    return on(type, [=](RawPayload& payload) {
        payload.body.resize(at);
        payload.body.resize(at + size, value);
    });
}

Edit resize(Type type, std::size_t size) {
    return on(type, [size](RawPayload& payload) { payload.body.resize(size); });
}

Edit append(Type type, std::string_view octets) {
    return on(type, [more = octets_of(octets)](RawPayload& payload) {
        payload.body.insert(payload.body.end(), more.begin(), more.end());
    });
}

Edit length(Type type, std::uint16_t length) {
    return on(type, [length](RawPayload& payload) { payload.length = length; });
}

Edit mark_critical(Type type) {
    return on(type, [](RawPayload& payload) { payload.flags |= 0x80U; });
}

Edit relabel(Type type, Type as) {
    return on(type, [as](RawPayload& payload) { payload.type = as; });
}

Edit reverse() {
    return [](Draft& draft) { std::reverse(draft.payloads.begin(), draft.payloads.end()); };
}

Edit announce(Type type) {
    return [type](Draft& draft) { draft.behind = type; };
}

Edit header(std::size_t at, std::string_view octets) {
    return [at, written = octets_of(octets)](Draft& draft) {
        draft.patches.emplace_back(at, written);
    };
}

Edit exchange(wire::ike::ExchangeType type) {
    return [type](Draft& draft) {
        draft.patches.emplace_back(18, Bytes{static_cast<std::uint8_t>(type)});
    };
}

Edit version(std::string_view octet) {
    return header(17, octet);
}

Edit initiator_spi(std::string_view octets) {
    return header(0, octets);
}

Edit responder_spi(std::string_view octets) {
    return header(8, octets);
}

Edit flags(std::string_view octet) {
    return header(19, octet);
}

Edit message_id(std::int32_t plus) {
    return [plus](Draft& draft) {
        const MutableBytes at = MutableBytes(draft.header).subspan(20, 4);
        store_u32(at, load_u32(at) + static_cast<std::uint32_t>(plus));
    };
}

Edit message_length(std::int32_t plus) {
    return [plus](Draft& draft) { draft.wrapping.length_plus = plus; };
}

Edit unprotected() {
    return wrap([](Wrapping& wrapping) { wrapping.protect = false; });
}

Edit before_sk(Type type, std::string_view body) {
    return wrap([type, octets = octets_of(body)](Wrapping& wrapping) {
        wrapping.before.push_back({type, 0, octets, {}});
    });
}

Edit after_sk(Type type, std::string_view body) {
    return wrap([type, octets = octets_of(body)](Wrapping& wrapping) {
        wrapping.after.push_back({type, 0, octets, {}});
    });
}

Edit sk_body(std::size_t size) {
    return wrap([size](Wrapping& wrapping) { wrapping.body = Bytes(size, 0x5c); });
}

Edit sk_length(std::uint16_t length) {
    return wrap([length](Wrapping& wrapping) { wrapping.sk_length = length; });
}

Edit padding(std::size_t size) {
    return wrap([size](Wrapping& wrapping) { wrapping.padding = Bytes(size, 0xa5); });
}

Edit pad_length(std::uint8_t length) {
    return wrap([length](Wrapping& wrapping) { wrapping.pad_length = length; });
}

Edit damage_icv() {
    return wrap([](Wrapping& wrapping) { wrapping.damage_icv = true; });
}

Edit damage_text() {
    return wrap([](Wrapping& wrapping) { wrapping.damage_text = true; });
}

Edit keys_of_receiver() {
    return wrap([](Wrapping& wrapping) { wrapping.keys_of_receiver = true; });
}

Edit fragments(std::vector<RawFragment> fragments) {
    return wrap(
        [fragments = std::move(fragments)](Wrapping& wrapping) { wrapping.fragments = fragments; });
}

namespace {

Reaction reaction(Reaction::Kind kind) {
    Reaction made;
    made.kind = kind;
    return made;
}

}  // namespace

Reaction silent(DropReason drop) {
    Reaction made = reaction(Reaction::Kind::silent);
    made.drop = drop;
    return made;
}

Reaction waits() {
    return reaction(Reaction::Kind::silent);
}

Reaction repeats() {
    return reaction(Reaction::Kind::repeats);
}

Reaction refuses(wire::ike::NotifyType notify, DropReason drop, std::string data) {
    Reaction made = reaction(Reaction::Kind::refuses);
    made.notify = notify;
    made.drop = drop;
    made.data = std::move(data);
    return made;
}

Reaction answers(wire::ike::NotifyType notify, std::string data) {
    Reaction made = reaction(Reaction::Kind::answers);
    made.notify = notify;
    made.data = std::move(data);
    made.event = EventKind::we_refused;
    return made;
}

Reaction misleads(wire::ike::NotifyType notify) {
    Reaction made = answers(notify);
    made.misleads = true;
    return made;
}

Reaction answers_nothing() {
    return reaction(Reaction::Kind::answers);
}

Reaction ends_quietly(EventKind event) {
    Reaction made = reaction(Reaction::Kind::ends);
    made.event = event;
    return made;
}

Reaction ends(wire::ike::NotifyType notify, EventKind event, std::string data) {
    Reaction made = reaction(Reaction::Kind::ends);
    made.notify = notify;
    made.data = std::move(data);
    made.event = event;
    return made;
}

Reaction takes() {
    return reaction(Reaction::Kind::takes);
}

Reaction comes_to_nothing(EventKind event) {
    Reaction made = reaction(Reaction::Kind::comes_to_nothing);
    made.event = event;
    return made;
}

Reaction recovers(EventKind event) {
    Reaction made = reaction(Reaction::Kind::recovers);
    made.event = event;
    return made;
}

}  // namespace anyswan::ike::test
