// SPDX-License-Identifier: Apache-2.0
// Rows about public values that are none (RFC 7296 3.4, RFC 6989, RFC 8031, RFC 5903, RFC 9370), in
// every message that carries one.
#include "core/ike/conformance/row.h"

namespace anyswan::ike::test {

using wire::ike::ExchangeType;
using wire::ike::NotifyType;

namespace {

constexpr auto x25519 = "aes256gcm16-prfsha256-x25519";
constexpr auto x25519_pfs = "aes256gcm16-x25519";
constexpr auto x448 = "aes256gcm16-prfsha256-x448";
constexpr auto x448_pfs = "aes256gcm16-x448";
constexpr auto ecp256 = "aes256gcm16-prfsha256-ecp256";
constexpr auto ecp256_pfs = "aes256gcm16-ecp256";
constexpr auto ecp384 = "aes256gcm16-prfsha256-ecp384";
constexpr auto ecp384_pfs = "aes256gcm16-ecp384";
constexpr auto ecp521 = "aes256gcm16-prfsha256-ecp521";
constexpr auto ecp521_pfs = "aes256gcm16-ecp521";
constexpr auto modp2048 = "aes256gcm16-prfsha256-modp2048";
constexpr auto modp2048_pfs = "aes256gcm16-modp2048";
constexpr auto mlkem = "aes256gcm16-prfsha256-x25519-ke1_mlkem512";

/// Where the Key Exchange Data begins in the KE payload.
constexpr std::size_t data = 4;

struct BadValue {
    const char* what;
    std::vector<Edit> edits;
};
/// Values of one method; suites that use it.
struct Method {
    const char* name;
    const char* ike;
    const char* esp;
    const char* rfc;
    std::vector<BadValue> values;
};

// Small-order points of Curve25519: the u-coordinates whose multiple by every clamped scalar is
// zero, and those of them that fit 255 bits in a second form (RFC 7748 6.1 has the check).
const Method of_x25519{
    "x25519",
    x25519,
    x25519_pfs,
    "RFC 8031 3.1, RFC 7748 6.1",
    {
        {"31 octets", {resize(KE, data + 31)}},
        {"33 octets", {resize(KE, data + 33)}},
        {"u = 0", {fill(KE, data, 32, 0)}},
        {"u = 1", {fill(KE, data, 32, 0), patch(KE, data, "01")}},
        {"u of order 8, first",
         {put(KE, "001f0000 e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")}},
        {"u of order 8, second",
         {put(KE, "001f0000 5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")}},
        {"u = p - 1",
         {put(KE, "001f0000 ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")}},
        {"u = p",
         {put(KE, "001f0000 edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")}},
        {"u = p + 1",
         {put(KE, "001f0000 eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")}},
        {"u = 0, top bit set", {fill(KE, data, 32, 0), patch(KE, data + 31, "80")}},
    }};

const Method of_x448{
    "x448",
    x448,
    x448_pfs,
    "RFC 8031 3.1, RFC 7748 6.2",
    {
        {"55 octets", {resize(KE, data + 55)}},
        {"57 octets", {resize(KE, data + 57)}},
        {"u = 0", {fill(KE, data, 56, 0)}},
        {"u = 1", {fill(KE, data, 56, 0), patch(KE, data, "01")}},
        {"u = p - 1",
         {fill(KE, data, 56, 0xff), patch(KE, data, "fe"), patch(KE, data + 28, "fe")}},
        {"u = p", {fill(KE, data, 56, 0xff), patch(KE, data + 28, "fe")}},
        {"u = p + 1", {fill(KE, data, 28, 0), fill(KE, data + 28, 28, 0xff)}},
    }};

std::vector<BadValue> points_of(std::size_t size) {
    return {
        {"one octet short", {resize(KE, data + 2 * size - 1)}},
        {"one octet long", {resize(KE, data + 2 * size + 1)}},
        {"the point at infinity, one octet", {fill(KE, data, 1, 0)}},
        {"x = y = 0", {fill(KE, data, 2 * size, 0)}},
        {"x and y above p", {fill(KE, data, 2 * size, 0xff)}},
        {"x = y = 1, not on the curve",
         {fill(KE, data, 2 * size, 0), patch(KE, data + size - 1, "01"),
          patch(KE, data + 2 * size - 1, "01")}},
        {"SEC 1's 04 before the point", {fill(KE, data, 2 * size + 1, 4)}},
        {"x alone, compressed", {fill(KE, data, size + 1, 2)}},
    };
}
const Method of_ecp256{"ecp256", ecp256, ecp256_pfs, "RFC 5903 7, RFC 6989 2.3", points_of(32)};
const Method of_ecp384{"ecp384", ecp384, ecp384_pfs, "RFC 5903 7, RFC 6989 2.3", points_of(48)};
const Method of_ecp521{"ecp521", ecp521, ecp521_pfs, "RFC 5903 7, RFC 6989 2.3", points_of(66)};

// RFC 3526 3: p = 2^2048 - 2^1984 - 1 + 2^64 * { [2^1918 pi] + 124476 }.
constexpr auto modp2048_p =
    "000e0000"
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05"
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb"
    "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b"
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718"
    "3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff";
const Method of_modp2048{
    "modp2048",
    modp2048,
    modp2048_pfs,
    "3.4, RFC 6989 2.1",
    {
        {"255 octets", {resize(KE, data + 255)}},
        {"257 octets", {resize(KE, data + 257)}},
        {"0", {fill(KE, data, 256, 0)}},
        {"1", {fill(KE, data, 256, 0), patch(KE, data + 255, "01")}},
        {"p - 1", {put(KE, modp2048_p), patch(KE, data + 255, "fe")}},
        {"p", {put(KE, modp2048_p)}},
        {"p + 1", {put(KE, modp2048_p), patch(KE, data + 247, "690000000000000000")}},
        {"2^2048 - 1", {fill(KE, data, 256, 0xff)}},
    }};

/// A table per method: the same values in the message of this moment.
std::vector<Table> tables_at(const char* name, Moment moment, const Reaction& reaction) {
    std::vector<Table> tables;
    for (const Method* method :
         {&of_x25519, &of_x448, &of_ecp256, &of_ecp384, &of_ecp521, &of_modp2048}) {
        Table table{name, moment, {}};
        // A Child SA's method is its own; the quick one will do for the IKE SA.
        table.moment.ike = moment.about == About::new_child ? x25519 : method->ike;
        table.moment.esp = method->esp;
        for (const BadValue& value : method->values) {
            table.rows.push_back({std::string(method->name) + ", " + value.what, method->rfc,
                                  value.edits, reaction});
        }
        tables.push_back(std::move(table));
    }
    return tables;
}

const Table intermediate_request_rows{
    "IKE_INTERMEDIATE request",
    {About::intermediate, false, false, mlkem},
    {
        {"encapsulation key one octet short",
         "RFC 9370 2.2.2",
         {resize(KE, data + 799)},
         ends(NotifyType::invalid_syntax)},
        {"encapsulation key one octet long",
         "RFC 9370 2.2.2",
         {resize(KE, data + 801)},
         ends(NotifyType::invalid_syntax)},
        {"encapsulation key empty",
         "RFC 9370 2.2.2",
         {resize(KE, data)},
         ends(NotifyType::invalid_syntax)},
        {"encapsulation key with coefficients above q",
         "FIPS 203 7.2",
         {patch(KE, data, "ffffff")},
         ends(NotifyType::invalid_syntax)},
        {"encapsulation key with the last coefficient q",
         "FIPS 203 7.2",
         {patch(KE, data + 766, "10d0")},
         ends(NotifyType::invalid_syntax)},
        {"KE of a method that was not negotiated",
         "RFC 9370 2.2.2",
         {patch(KE, 0, "0024")},
         ends(NotifyType::invalid_syntax)},
        {"KE missing", "RFC 9370 2.2.2", {drop(KE)}, ends(NotifyType::invalid_syntax)},
        {"KE twice", "RFC 9370 2.2.2", {twice(KE)}, ends(NotifyType::invalid_syntax)},
        {"KE of 3 octets", "3.4", {put(KE, "002300")}, ends(NotifyType::invalid_syntax)},
        {"unknown payload, critical",
         "2.5",
         {add_critical(unassigned)},
         ends(NotifyType::unsupported_critical_payload, EventKind::we_refused, "63")},
        {"IKE_AUTH already",
         "RFC 9242 3.2",
         {exchange(ExchangeType::ike_auth)},
         ends(NotifyType::invalid_syntax)},
        {"INFORMATIONAL already",
         "1.4",
         {exchange(ExchangeType::informational)},
         silent(DropReason::unexpected_exchange)},
        {"CREATE_CHILD_SA already",
         "1.3",
         {exchange(ExchangeType::create_child_sa)},
         silent(DropReason::unexpected_exchange)},
        {"in clear", "2.21.4", {unprotected()}, silent(DropReason::unprotected)},
        {"wrong ICV", "3.14", {damage_icv()}, silent(DropReason::bad_icv)},
        {"message ID too high",
         "2.3",
         {message_id(1)},
         silent(DropReason::message_id_out_of_window)},
    },
};

const Table intermediate_response_rows{
    "IKE_INTERMEDIATE response",
    {About::intermediate, true, false, mlkem},
    {
        {"ciphertext one octet short",
         "RFC 9370 2.2.2",
         {resize(KE, data + 767)},
         comes_to_nothing(EventKind::peer_refused)},
        {"ciphertext empty",
         "RFC 9370 2.2.2",
         {resize(KE, data)},
         comes_to_nothing(EventKind::peer_refused)},
        {"KE of another method",
         "RFC 9370 2.2.2",
         {patch(KE, 0, "0024")},
         comes_to_nothing(EventKind::peer_refused)},
        {"KE missing", "RFC 9370 2.2.2", {drop(KE)}, comes_to_nothing(EventKind::peer_refused)},
        {"KE twice", "RFC 9370 2.2.2", {twice(KE)}, comes_to_nothing(EventKind::peer_refused)},
        {"an error notify",
         "RFC 9370 2.2.2",
         {no_payloads(), add(N, "00 00 0007")},
         comes_to_nothing(EventKind::peer_refused)},
        {"unknown payload, critical",
         "2.5",
         {add_critical(unassigned)},
         comes_to_nothing(EventKind::peer_refused)},
        {"in clear", "2.21.4", {unprotected()}, silent(DropReason::unprotected)},
        {"wrong ICV", "3.14", {damage_icv()}, silent(DropReason::bad_icv)},
        {"as IKE_AUTH",
         "2.2",
         {exchange(ExchangeType::ike_auth)},
         silent(DropReason::unexpected_response)},
        {"message ID too low", "2.2", {message_id(-1)}, silent(DropReason::unexpected_response)},
        {"message ID too high", "2.2", {message_id(1)}, silent(DropReason::unexpected_response)},
    },
};

}  // namespace

std::vector<Table> key_exchange_tables() {
    std::vector<Table> tables{intermediate_request_rows, intermediate_response_rows};
    const auto append_all = [&tables](std::vector<Table> more) {
        tables.insert(tables.end(), more.begin(), more.end());
    };
    append_all(tables_at("KE in an IKE_SA_INIT request", {About::init},
                         refuses(NotifyType::invalid_syntax, DropReason::bad_key_exchange)));
    append_all(tables_at("KE in an IKE_SA_INIT response", {About::init, true},
                         silent(DropReason::bad_init_response)));
    append_all(tables_at("KE in a CREATE_CHILD_SA request", {About::new_child},
                         ends(NotifyType::invalid_syntax)));
    append_all(tables_at("KE in a CREATE_CHILD_SA response", {About::new_child, true},
                         recovers(EventKind::peer_refused)));
    append_all(tables_at("KE in a request to rekey the IKE SA", {About::rekey_ike},
                         ends(NotifyType::invalid_syntax)));
    append_all(tables_at("KE in a response to rekey the IKE SA", {About::rekey_ike, true},
                         comes_to_nothing(EventKind::peer_refused)));
    return tables;
}

}  // namespace anyswan::ike::test
