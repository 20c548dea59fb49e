// SPDX-License-Identifier: Apache-2.0
#include "edge/addresses.h"

#include <algorithm>

namespace anyswan::edge {

namespace {

// Each lost round means that another edge won one.
constexpr int tries_max = 8;
// By then this edge has heard of an IKE SA that took the place of the ended one.
constexpr Duration give_back_after = 5s;

/// Whether another tunnel of the account has the address for itself, without the book.
bool fixed_elsewhere(const TunnelTable& tunnels, const sa::TunnelId& asking,
                     const IpAddress& address) {
    return std::ranges::any_of(tunnels.all(), [&](const auto& entry) {
        const auto& [id, tunnel] = entry;
        return id != asking && id.account == asking.account &&
               std::ranges::any_of(tunnel.addressing.pool, [&](const IpPrefix& prefix) {
                   return prefix.length == address.bit_length() && prefix.address == address;
               });
    });
}

}  // namespace

void Addresses::want(ike::AddressesWanted wanted, Give give) {
    const std::string account = wanted.tunnel.account;
    books_[account].wants.push_back({std::move(wanted), std::move(give)});
    next(account);
}

void Addresses::ended(const std::string& account, const std::vector<IpAddress>& addresses,
                      Instant now) {
    const auto book = books_.find(account);
    if (book == books_.end() || !book->second.known) {
        return;  // nothing was granted here since the start
    }
    auto leases = sa::leases_of(book->second.record, parts_.edge_name, addresses);
    if (!leases.empty()) {
        given_back_.push_back({now + give_back_after, account, std::move(leases)});
    }
}

void Addresses::look(Instant now) {
    for (; !given_back_.empty() && given_back_.front().due <= now; given_back_.pop_front()) {
        const std::string account = given_back_.front().account;
        books_[account].wants.push_back({{}, nullptr, std::move(given_back_.front().leases)});
        next(account);
    }
}

void Addresses::next(const std::string& account) {
    Book& book = books_[account];
    if (book.busy || book.wants.empty()) {
        return;
    }
    book.busy = true;
    if (book.known) {
        lease(account);
    } else {
        read(account);
    }
}

void Addresses::read(const std::string& account) {
    const std::string key = sa::address_book_key(account);
    parts_.store.read_claim(key, [this, account,
                                  key](store::StoreResult<std::optional<store::Claim>> answer) {
        Book& book = books_[account];
        if (!answer) {
            without_store(account, answer.error().message);
            return;
        }
        book.record = {account, 0, {}};
        book.revision = Revision{};
        if (*answer) {
            auto opened = sa::open_record(parts_.keys, key, (**answer).value);
            auto* record = opened ? std::get_if<sa::AddressBookRecord>(&opened->record) : nullptr;
            if (record == nullptr) {
                finish(account, {}, "the store's book of leased addresses can't be read");
                return;
            }
            book.record = std::move(*record);
            book.revision = (**answer).revision;
        }
        book.known = true;
        book.wants.front().book_read = true;
        lease(account);
    });
}

std::optional<sa::AddressQuestion> Addresses::question(const ike::AddressesWanted& wanted) const {
    const sa::TunnelRecord* tunnel = parts_.tunnels.by_id(wanted.tunnel);
    if (tunnel == nullptr) {
        return std::nullopt;
    }
    return sa::AddressQuestion{sa::lease_holder(wanted.tunnel, wanted.peer_id),
                               tunnel->addressing,
                               wanted.families,
                               parts_.now().wall,
                               parts_.edge_name,
                               [this, id = wanted.tunnel](const IpAddress& address) {
                                   return fixed_elsewhere(parts_.tunnels, id, address);
                               },
                               [this, account = wanted.tunnel.account](const IpAddress& address) {
                                   return parts_.used(account, address);
                               }};
}

void Addresses::give_back(const std::string& account) {
    Book& book = books_.at(account);
    std::vector<sa::AddressLease> leases = book.wants.front().back;
    std::erase_if(
        leases, [&](const sa::AddressLease& lease) { return parts_.used(account, lease.address); });
    sa::AddressBookRecord changed = book.record;
    if (sa::give_back(changed, leases, parts_.now().wall)) {
        write(account, std::move(changed), {});
    } else {
        finish(account, {}, "");
    }
}

void Addresses::lease(const std::string& account) {
    const Book& book = books_.at(account);
    if (book.wants.front().give == nullptr) {
        give_back(account);
        return;
    }
    const auto asked = question(book.wants.front().wanted);
    if (!asked) {
        finish(account, {}, "the tunnel was removed meanwhile");
        return;
    }
    sa::AddressBookRecord changed = book.record;
    sa::AddressAnswer answer = sa::lease_addresses(changed, *asked);
    if (answer.addresses.size() < asked->families.size() && !book.wants.front().book_read) {
        // Another edge may have given one back.
        read(account);
        return;
    }
    if (answer.changed) {
        write(account, std::move(changed), std::move(answer.addresses));
        return;
    }
    finish(account, std::move(answer.addresses),
           "its pool is full: every address is in use or was within the last hour; make "
           "virtual_pool larger");
}

void Addresses::write(const std::string& account, sa::AddressBookRecord changed,
                      std::vector<IpAddress> addresses) {
    const std::string key = sa::address_book_key(account);
    Bytes sealed = sa::seal_record(parts_.keys, parts_.random, key, {Epoch(1), changed.changes},
                                   sa::Record(changed));
    parts_.store.swap_claim(
        key, std::move(sealed), books_.at(account).revision,
        [this, account, changed = std::move(changed),
         addresses = std::move(addresses)](store::StoreResult<store::Swap> answer) mutable {
            Book& book = books_.at(account);
            if (answer && answer->won) {
                book.record = std::move(changed);
                book.revision = answer->revision;
                ++counters_[book.wants.front().give != nullptr ? "addresses_leased"
                                                               : "addresses_given_back"];
                finish(account, std::move(addresses), "");
                return;
            }
            // Unanswered, it may have been written: read before the next swap.
            book.known = false;
            if (!answer) {
                without_store(account, answer.error().message);
            } else if (++book.wants.front().tries < tries_max) {
                ++counters_["addresses_lost_rounds"];
                read(account);
            } else {
                finish(account, {},
                       "other edges changed the book of leased addresses again and "
                       "again; the router may try once more");
            }
        });
}

// A lease that nobody can take away within its hour is as good without the store.
void Addresses::without_store(const std::string& account, const std::string& why) {
    ++counters_["addresses_store_unavailable"];
    const Book& book = books_.at(account);
    const auto asked = question(book.wants.front().wanted);
    auto sure = asked ? sa::leased_for_sure(book.record, *asked) : std::nullopt;
    finish(account, sure ? std::move(*sure) : std::vector<IpAddress>{},
           "no address can be leased while the store is away (" + why + ")");
}

void Addresses::finish(const std::string& account, std::vector<IpAddress> addresses,
                       const std::string& why) {
    Book& book = books_.at(account);
    const Want want = std::move(book.wants.front());
    book.wants.pop_front();
    book.busy = false;
    if (want.give == nullptr) {
        next(account);
        return;
    }
    ike::AddressesGiven given{want.wanted.our_spi, want.wanted.tunnel, std::move(addresses), {}};
    if (given.addresses.empty()) {
        given.why = why;
        ++counters_["addresses_refused"];
    }
    want.give(std::move(given));
    next(account);
}

}  // namespace anyswan::edge
