// SPDX-License-Identifier: Apache-2.0
// Rows about responses on an established IKE SA: an authenticated peer whose answers are wrong.
#include "core/ike/conformance/row.h"

namespace anyswan::ike::test {

using wire::ike::ExchangeType;
using wire::ike::NotifyType;

namespace {

Reaction no_good() {
    return recovers(EventKind::peer_refused);
}

std::vector<Row> any_response_rows(DropReason wrong_initiator_spi, DropReason wrong_responder_spi) {
    return {
        {"in clear", "2.21.4", {unprotected()}, silent(DropReason::unprotected)},
        {"wrong ICV", "3.14", {damage_icv()}, silent(DropReason::bad_icv)},
        {"with the keys of the other direction",
         "2.14",
         {keys_of_receiver()},
         silent(DropReason::bad_icv)},
        {"message ID one too low",
         "2.2",
         {message_id(-1)},
         silent(DropReason::unexpected_response)},
        {"message ID one too high",
         "2.2",
         {message_id(1)},
         silent(DropReason::unexpected_response)},
        {"as IKE_AUTH",
         "2.2",
         {exchange(ExchangeType::ike_auth)},
         silent(DropReason::unexpected_response)},
        {"as IKE_SA_INIT",
         "2.2",
         {exchange(ExchangeType::ike_sa_init)},
         silent(DropReason::unexpected_response)},
        {"another initiator SPI",
         "2.6",
         {initiator_spi("0000000000000007")},
         silent(wrong_initiator_spi)},
        {"another responder SPI",
         "2.6",
         {responder_spi("0007000000000007")},
         silent(wrong_responder_spi)},
        {"number 0 of 2 fragments",
         "RFC 7383 2.6",
         {fragments({{0, 2, 0, 5}})},
         silent(DropReason::malformed_encrypted)},
        {"255 fragments",
         "RFC 7383 2.6",
         {fragments({{1, 255, 0, 5}})},
         silent(DropReason::refused_fragment)},
        {"a first fragment alone", "RFC 7383 2.6", {fragments({{1, 2, 0, 5}})}, waits()},
    };
}

const Table probe_rows{
    "response to a liveness check",
    {About::probe, true},
    {
        {"unknown payload, critical, makes it no answer, but the peer lives",
         "2.5",
         {add_critical(unassigned)},
         takes()},
        {"a payload that ends in the middle", "3.2", {add(V, "01"), length(V, 9)}, takes()},
        {"an error notify", "2.4", {add(N, "00 00 000b")}, takes()},
        {"INVALID_SYNTAX",
         "2.21.3",
         {add(N, "00 00 0007")},
         comes_to_nothing(EventKind::peer_refused)},
        {"a Delete in it deletes nothing", "1.4.1", {add(D, "01 00 0000")}, takes()},
    },
};

const Table delete_child_rows{
    "response to a Delete of a Child SA",
    {About::delete_child, true},
    {
        {"without the paired Delete", "1.4.1", {no_payloads()}, takes()},
        {"a Delete of something else", "1.4.1", {put(D, "03 04 0001 deadbeef")}, takes()},
        {"an error notify", "1.4.1", {no_payloads(), add(N, "00 00 000b")}, takes()},
        {"a Delete that ends in the middle", "3.11", {resize(D, 7)}, takes()},
    },
};

const Table new_child_rows{
    "CREATE_CHILD_SA response",
    {About::new_child, true},
    {
        {"no payloads", "1.3.1", {no_payloads()}, no_good()},
        {"SA missing", "1.3.1", {drop(SA)}, no_good()},
        {"Nr missing", "1.3.1", {drop(Nr)}, no_good()},
        {"TSi missing", "1.3.1", {drop(TSi)}, no_good()},
        {"TSr missing", "1.3.1", {drop(TSr)}, no_good()},
        {"SA twice", "1.3.1", {twice(SA)}, no_good()},
        {"Nr twice", "1.3.1", {twice(Nr)}, no_good()},
        {"TSr twice", "1.3.1", {twice(TSr)}, no_good()},
        {"nonce of 15 octets", "3.9", {resize(Nr, 15)}, no_good()},
        {"nonce of 257 octets", "3.9", {resize(Nr, 257)}, no_good()},
        {"unknown payload, critical", "2.5", {add_critical(unassigned)}, no_good()},
        {"SPI 0", "RFC 4303 2.1", {patch(SA, 8, "00000000")}, no_good()},
        {"reserved SPI 255", "RFC 4303 2.1", {patch(SA, 8, "000000ff")}, no_good()},
        {"Proposal Num that was not offered", "3.3.1", {patch(SA, 4, "02")}, no_good()},
        {"for AH", "3.3.1", {patch(SA, 5, "02")}, no_good()},
        {"key length that was not offered", "3.3.6", {patch(SA, 22, "0080")}, no_good()},
        {"wider selectors than ours",
         "2.9",
         {put(TSi, "01000000 07000010 0000ffff 00000000 ffffffff")},
         no_good()},
        {"no selectors", "3.13", {put(TSr, "00000000")}, no_good()},
        {"selectors upside down", "3.13.1", {patch(TSr, 8, "0200 0100")}, no_good()},
        {"all payloads in reverse order", "2.5", {reverse()}, takes()},
        {"a notify that means nothing here is ignored", "3.10.1", {add(N, "00 00 c350")}, takes()},
    },
};

const Table pfs_rows{
    "CREATE_CHILD_SA response with PFS",
    {About::new_child, true, false, "aes256gcm16-prfsha256-x25519", "aes256gcm16-x25519"},
    {
        {"KE missing", "1.3", {drop(KE)}, no_good()},
        {"KE twice", "1.3", {twice(KE)}, no_good()},
        {"KE of another method", "1.3", {patch(KE, 0, "0013")}, no_good()},
    },
};

const Table rekey_child_rows{
    "response to rekey a Child SA",
    {About::rekey_child, true},
    {
        {"Nr missing", "1.3.3", {drop(Nr)}, no_good()},
        {"SPI 0", "RFC 4303 2.1", {patch(SA, 8, "00000000")}, no_good()},
        {"SA missing", "1.3.3", {drop(SA)}, no_good()},
    },
};

const Table rekey_ike_rows{
    "response to rekey the IKE SA",
    {About::rekey_ike, true},
    {
        {"Nr missing", "1.3.2", {drop(Nr)}, comes_to_nothing(EventKind::peer_refused)},
        {"KE missing", "1.3.2", {drop(KE)}, comes_to_nothing(EventKind::peer_refused)},
        {"KE of another method",
         "1.3.2",
         {patch(KE, 0, "0013")},
         comes_to_nothing(EventKind::peer_refused)},
        {"SPI 0",
         "3.3.1",
         {patch(SA, 8, "0000000000000000")},
         comes_to_nothing(EventKind::peer_refused)},
        {"key length that was not offered",
         "3.3.6",
         {patch(SA, 26, "0080")},
         comes_to_nothing(EventKind::peer_refused)},
    },
};

}  // namespace

std::vector<Table> response_tables() {
    return {
        probe_rows,
        delete_child_rows,
        new_child_rows,
        pfs_rows,
        rekey_child_rows,
        rekey_ike_rows,
        {"any response, to the initiator",
         {About::delete_child, true},
         any_response_rows(DropReason::unknown_spi_response, DropReason::wrong_spi)},
        {"any response, to the responder",
         {About::delete_child, true, true},
         any_response_rows(DropReason::wrong_spi, DropReason::unknown_spi_response)},
    };
}

}  // namespace anyswan::ike::test
