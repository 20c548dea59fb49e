// SPDX-License-Identifier: Apache-2.0
// Rows about IKE_AUTH: protected, but nobody is authenticated yet.
#include "core/ike/conformance/row.h"

namespace anyswan::ike::test {

using wire::ike::ExchangeType;
using wire::ike::NotifyType;

namespace {

Reaction invalid_syntax() {
    return ends(NotifyType::invalid_syntax);
}
Reaction authentication_failed() {
    return ends(NotifyType::authentication_failed, EventKind::authentication_failed);
}

// The true SA payload: 0: 00 00 0020 01 03 04 02  8: SPI  12: 03 00 000c 01 00 0014 800e 0100
// 24: 00 00 0008 05 00 0000. A TS payload: 0: 01 000000  4: 07 00 0010 0000 ffff, two addresses.

const Table request_rows{
    "IKE_AUTH request",
    {About::auth},
    {
        {"in clear", "2.21.4", {unprotected()}, silent(DropReason::unprotected)},
        {"wrong ICV", "3.14", {damage_icv()}, silent(DropReason::bad_icv)},
        {"message ID 2", "2.3", {message_id(1)}, silent(DropReason::message_id_out_of_window)},
        {"message ID 0: IKE_SA_INIT's response once more", "2.1", {message_id(-1)}, repeats()},
        {"INFORMATIONAL already",
         "1.4",
         {exchange(ExchangeType::informational)},
         silent(DropReason::unexpected_exchange)},
        {"CREATE_CHILD_SA already",
         "1.3",
         {exchange(ExchangeType::create_child_sa)},
         silent(DropReason::unexpected_exchange)},
        {"IKE_INTERMEDIATE that was not negotiated",
         "RFC 9242 3.2",
         {exchange(ExchangeType::ike_intermediate)},
         invalid_syntax()},
        {"exchange type 240",
         "3.1",
         {exchange(ExchangeType{240})},
         silent(DropReason::unexpected_exchange)},
        {"as a response", "2.21", {flags("28")}, silent(DropReason::unexpected_response)},
        {"another initiator SPI",
         "2.6",
         {initiator_spi("0000000000000007")},
         silent(DropReason::wrong_spi)},
        {"another responder SPI",
         "2.21.4",
         {responder_spi("0007000000000007")},
         refuses(NotifyType::invalid_ike_spi, DropReason::unknown_spi_request)},
        {"unknown payload, critical",
         "2.21.2",
         {add_critical(unassigned)},
         ends(NotifyType::unsupported_critical_payload, EventKind::we_refused, "63")},
        {"unknown payload, not critical, is skipped", "2.5", {add(unassigned, "01")}, takes()},
        {"all payloads in reverse order", "2.5", {reverse()}, takes()},
        {"no payloads", "1.2", {no_payloads()}, invalid_syntax()},
        {"IDi missing", "1.2", {drop(IDi)}, invalid_syntax()},
        {"IDi twice", "1.2", {twice(IDi)}, invalid_syntax()},
        {"IDi of 3 octets", "3.5", {put(IDi, "020000")}, invalid_syntax()},
        {"IDi without data", "3.5", {put(IDi, "02000000")}, authentication_failed()},
        {"IDi of another type", "3.5", {patch(IDi, 0, "0b")}, authentication_failed()},
        {"IDi of an unknown type", "3.5", {patch(IDi, 0, "63")}, authentication_failed()},
        {"IDi of somebody else", "2.15", {patch(IDi, 4, "78")}, authentication_failed()},
        {"IDi with other reserved octets", "3.5", {patch(IDi, 1, "01")}, takes()},
        {"IDr that is not ours", "2.15", {patch(IDr, 4, "78")}, authentication_failed()},
        {"IDr twice", "1.2", {twice(IDr)}, invalid_syntax()},
        {"AUTH missing: EAP is wanted", "2.16", {drop(AUTH)}, authentication_failed()},
        {"AUTH twice", "1.2", {twice(AUTH)}, invalid_syntax()},
        {"AUTH of 3 octets", "3.8", {put(AUTH, "020000")}, invalid_syntax()},
        {"AUTH without data", "3.8", {resize(AUTH, 4)}, authentication_failed()},
        {"AUTH one octet short", "3.8", {resize(AUTH, 4 + 31)}, authentication_failed()},
        {"AUTH one octet long", "3.8", {resize(AUTH, 4 + 33)}, authentication_failed()},
        {"AUTH one bit wrong", "2.15", {patch(AUTH, 4, "00000000")}, authentication_failed()},
        {"AUTH by method 0", "3.8", {patch(AUTH, 0, "00")}, authentication_failed()},
        {"AUTH by an unknown method", "3.8", {patch(AUTH, 0, "63")}, authentication_failed()},
        {"AUTH by NULL", "RFC 7619 2", {patch(AUTH, 0, "0d")}, authentication_failed()},
        {"AUTH by a signature that is none",
         "RFC 7427 3",
         {patch(AUTH, 0, "0e")},
         authentication_failed()},
        {"SA twice", "1.2", {twice(SA)}, invalid_syntax()},
        {"TSi twice", "1.2", {twice(TSi)}, invalid_syntax()},
        {"TSr twice", "1.2", {twice(TSr)}, invalid_syntax()},
        {"TSi missing", "1.2", {drop(TSi)}, invalid_syntax()},
        {"TSr missing", "1.2", {drop(TSr)}, invalid_syntax()},
        {"SA that ends in the middle", "3.3", {resize(SA, 17)}, invalid_syntax()},
        {"Child SA for AH", "3.3.1", {patch(SA, 5, "02")}, comes_to_nothing(EventKind::we_refused)},
        {"Child SA with SPI 0",
         "RFC 4303 2.1",
         {patch(SA, 8, "00000000")},
         comes_to_nothing(EventKind::we_refused)},
        {"Child SA with reserved SPI 255",
         "RFC 4303 2.1",
         {patch(SA, 8, "000000ff")},
         comes_to_nothing(EventKind::we_refused)},
        {"selectors of an unknown type alone",
         "3.13.1",
         {patch(TSi, 4, "63")},
         comes_to_nothing(EventKind::we_refused)},
        {"TSi empty", "3.13", {put(TSi, "")}, invalid_syntax()},
        {"EAP beside AUTH is ignored", "2.16", {add(EAP, "01010004")}, takes()},
        {"Configuration of 3 octets", "3.15", {add(CP, "010000")}, invalid_syntax()},
        {"Configuration with an attribute beyond its end",
         "3.15.1",
         {add(CP, "01000000 0001 0005 00")},
         invalid_syntax()},
        {"Certificate without encoding", "3.6", {add(CERT)}, invalid_syntax()},
        {"Certificate Request without encoding", "3.7", {add(CERTREQ)}, invalid_syntax()},
    },
};

Reaction not_authenticated() {
    return comes_to_nothing(EventKind::authentication_failed);
}
Reaction no_child() {
    return comes_to_nothing(EventKind::peer_refused);
}

const Table response_rows{
    "IKE_AUTH response",
    {About::auth, true},
    {
        {"in clear", "2.21.4", {unprotected()}, silent(DropReason::unprotected)},
        {"wrong ICV", "3.14", {damage_icv()}, silent(DropReason::bad_icv)},
        {"message ID 0", "2.2", {message_id(-1)}, silent(DropReason::unexpected_response)},
        {"message ID 2", "2.2", {message_id(1)}, silent(DropReason::unexpected_response)},
        {"as INFORMATIONAL",
         "2.2",
         {exchange(ExchangeType::informational)},
         silent(DropReason::unexpected_response)},
        {"as a request", "2.2", {flags("00")}, silent(DropReason::message_id_out_of_window)},
        {"another initiator SPI",
         "2.6",
         {initiator_spi("0000000000000007")},
         silent(DropReason::unknown_spi_response)},
        {"another responder SPI",
         "2.6",
         {responder_spi("0007000000000007")},
         silent(DropReason::wrong_spi)},
        {"no payloads", "1.2", {no_payloads()}, not_authenticated()},
        {"IDr missing", "1.2", {drop(IDr)}, not_authenticated()},
        {"IDr of somebody else", "2.15", {patch(IDr, 4, "78")}, not_authenticated()},
        {"IDr twice", "1.2", {twice(IDr)}, not_authenticated()},
        {"AUTH missing", "1.2", {drop(AUTH)}, not_authenticated()},
        {"AUTH twice", "1.2", {twice(AUTH)}, not_authenticated()},
        {"AUTH one bit wrong", "2.15", {patch(AUTH, 4, "00000000")}, not_authenticated()},
        {"AUTH by an unknown method", "3.8", {patch(AUTH, 0, "63")}, not_authenticated()},
        {"unknown payload, critical", "2.5", {add_critical(unassigned)}, not_authenticated()},
        {"a payload that ends in the middle", "3.2", {length(SA, 65535)}, not_authenticated()},
        {"TSi missing", "1.2", {drop(TSi)}, no_child()},
        {"Child SA that was not offered", "3.3.6", {patch(SA, 22, "0080")}, no_child()},
        {"Child SA with SPI 0", "RFC 4303 2.1", {patch(SA, 8, "00000000")}, no_child()},
        {"wider selectors than ours",
         "2.9",
         {put(TSi, "01000000 07000010 0000ffff 00000000 ffffffff")},
         no_child()},
        {"selectors of an unknown type", "3.13.1", {patch(TSr, 4, "63")}, no_child()},
        {"no selectors", "3.13", {put(TSr, "00000000")}, not_authenticated()},
        {"unknown payload, not critical, is skipped", "2.5", {add(unassigned, "01")}, takes()},
        {"all payloads in reverse order", "2.5", {reverse()}, takes()},
    },
};

}  // namespace

std::vector<Table> auth_tables() {
    return {request_rows, response_rows};
}

}  // namespace anyswan::ike::test
