// SPDX-License-Identifier: Apache-2.0
// Leases addresses of tunnels' pools for the ike role (core/sa/address_book.h): reads the account's
// book, changes it by compare-and-swap, and only then lets the address be given.
#pragma once

#include <deque>
#include <map>

#include "core/ike/engine.h"
#include "core/sa/address_book.h"
#include "core/sa/envelope.h"
#include "edge/tunnel_table.h"
#include "store/store.h"

namespace anyswan::edge {

class Addresses {
public:
    struct Parts {
        store::Store& store;
        const sa::FleetKeys& keys;
        Random& random;
        const TunnelTable& tunnels;
        std::string edge_name;
        /// Whether a living IKE SA of the account has the address.
        std::function<bool(const std::string& account, const IpAddress&)> used;
        std::function<Now()> now;
    };
    explicit Addresses(Parts parts) : parts_(std::move(parts)) {}

    using Give = std::function<void(ike::AddressesGiven)>;
    /// `give` runs once, now or later.
    void want(ike::AddressesWanted wanted, Give give);
    /// An IKE SA with these addresses has ended, here or elsewhere. What this edge granted goes
    /// back, unless the peer is there again by then (it re-authenticates).
    void ended(const std::string& account, const std::vector<IpAddress>& addresses, Instant now);
    /// Gives back what is due; call it about once a second.
    void look(Instant now);
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    struct Want {
        ike::AddressesWanted wanted;
        Give give;
        std::vector<sa::AddressLease> back = {};  // to be given back; then nobody waits
        int tries = 0;
        bool book_read = false;  // for this want; else it may be older
    };
    struct GivenBack {
        Instant due;
        std::string account;
        std::vector<sa::AddressLease> leases;
    };
    /// One account's book as last read or written. Its wants are served one after another.
    struct Book {
        sa::AddressBookRecord record;
        Revision revision;
        bool known = false;
        bool busy = false;
        std::deque<Want> wants;
    };

    void next(const std::string& account);
    void read(const std::string& account);
    void lease(const std::string& account);
    void give_back(const std::string& account);
    void write(const std::string& account, sa::AddressBookRecord changed,
               std::vector<IpAddress> addresses);
    void without_store(const std::string& account, const std::string& why);
    void finish(const std::string& account, std::vector<IpAddress> addresses,
                const std::string& why);
    [[nodiscard]] std::optional<sa::AddressQuestion> question(
        const ike::AddressesWanted& wanted) const;

    Parts parts_;
    std::map<std::string, Book> books_;
    std::deque<GivenBack> given_back_;  // in order of `due`
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
