// SPDX-License-Identifier: Apache-2.0
// Rows about requests on an established IKE SA: an authenticated peer that is wrong.
#include "core/ike/conformance/row.h"

namespace anyswan::ike::test {

using wire::ike::ExchangeType;
using wire::ike::NotifyType;

namespace {

Reaction invalid_syntax() {
    return ends(NotifyType::invalid_syntax);
}
Reaction unsupported_critical() {
    return answers(NotifyType::unsupported_critical_payload, "63");
}
Reaction no_proposal_chosen() {
    return answers(NotifyType::no_proposal_chosen);
}
Reaction ts_unacceptable() {
    return answers(NotifyType::ts_unacceptable);
}
Reaction child_sa_not_found() {
    return answers(NotifyType::child_sa_not_found);
}

/// What both roles do with an INFORMATIONAL request.
const std::vector<Row> informational_rows{
    {"unknown payload, critical", "2.5", {add_critical(unassigned, "01")}, unsupported_critical()},
    {"unknown payload, not critical, is skipped",
     "2.5",
     {add(unassigned, "01")},
     answers_nothing()},
    {"critical flag on a payload that we know is ignored",
     "3.2",
     {add_critical(V, "01")},
     answers_nothing()},
    {"Payload Length 3", "3.2", {add(V, "01"), length(V, 3)}, invalid_syntax()},
    {"Payload Length one too high", "3.2", {add(V, "01"), length(V, 6)}, invalid_syntax()},
    {"Payload Length one too low", "3.2", {add(V, "0102"), length(V, 5)}, invalid_syntax()},
    {"a payload is announced that is not there",
     "3.2",
     {add(V, "01"), announce(N)},
     invalid_syntax()},
    {"a thousand payloads", "3.2", {many(1000, V)}, invalid_syntax()},
    {"a notify of an error we know", "3.10.1", {add(N, "00 00 000e")}, answers_nothing()},
    {"a notify of an error nobody knows", "3.10.1", {add(N, "00 00 1fff")}, answers_nothing()},
    {"a notify of a status nobody knows", "3.10.1", {add(N, "00 00 c350")}, answers_nothing()},
    {"INVALID_SPI", "1.5", {add(N, "00 00 000b deadbeef")}, answers_nothing()},
    {"INITIAL_CONTACT after IKE_AUTH", "2.4", {add(N, "00 00 4000")}, answers_nothing()},
    {"Notify of 3 octets", "3.10", {add(N, "000040")}, invalid_syntax()},
    {"Notify whose SPI Size is beyond its end",
     "3.10",
     {add(N, "03 04 400b 001122")},
     invalid_syntax()},
    {"Delete of 3 octets", "3.11", {add(D, "030400")}, invalid_syntax()},
    {"Delete of two SPIs that holds one",
     "3.11",
     {add(D, "03 04 0002 deadbeef")},
     invalid_syntax()},
    {"Delete of one SPI that holds two",
     "3.11",
     {add(D, "03 04 0001 deadbeef deadbee0")},
     invalid_syntax()},
    {"Delete of 65535 SPIs of no size", "3.11", {add(D, "03 00 ffff")}, invalid_syntax()},
    {"Delete of an SPI cut short", "3.11", {add(D, "03 04 0001 deadbe")}, invalid_syntax()},
    {"Delete of no SPI", "3.11", {add(D, "03 04 0000")}, answers_nothing()},
    {"Delete of a Child SA that there is not",
     "1.4.1",
     {add(D, "03 04 0001 deadbeef")},
     answers_nothing()},
    {"Delete of ESP SPI 0", "1.4.1", {add(D, "03 04 0001 00000000")}, answers_nothing()},
    {"Delete of an ESP SPI of 8 octets",
     "3.11",
     {add(D, "03 08 0001 00000000deadbeef")},
     answers_nothing()},
    {"Delete of an AH SA", "3.11", {add(D, "02 04 0001 deadbeef")}, answers_nothing()},
    {"Delete of protocol 99", "3.11", {add(D, "63 04 0001 deadbeef")}, answers_nothing()},
    {"Delete of the IKE SA",
     "1.4.1",
     {add(D, "01 00 0000")},
     ends_quietly(EventKind::ike_sa_ended)},
    {"Delete of the IKE SA with a Child SA beside it",
     "1.4.1",
     {add(D, "03 04 0001 deadbeef"), add(D, "01 00 0000")},
     ends_quietly(EventKind::ike_sa_ended)},
    {"Configuration of 3 octets", "3.15", {add(CP, "010000")}, invalid_syntax()},
    {"Configuration with an attribute beyond its end",
     "3.15.1",
     {add(CP, "01000000 0001 0005 00")},
     invalid_syntax()},
    {"Configuration with an attribute cut short",
     "3.15.1",
     {add(CP, "01000000 000100")},
     invalid_syntax()},
    {"CFG_REPLY without a CFG_REQUEST is ignored",
     "2.19",
     {add(CP, "02000000 0001 0004 0a090005")},
     answers_nothing()},
    {"CFG_ACK without a CFG_SET is ignored", "3.15", {add(CP, "04000000")}, answers_nothing()},
    {"an unknown CFG Type is ignored", "3.15", {add(CP, "09000000")}, answers_nothing()},
    {"IDi of 3 octets", "3.5", {add(IDi, "020000")}, invalid_syntax()},
    {"AUTH of 3 octets", "3.8", {add(AUTH, "020000")}, invalid_syntax()},
    {"Certificate without encoding", "3.6", {add(CERT)}, invalid_syntax()},
    {"Certificate Request without encoding", "3.7", {add(CERTREQ)}, invalid_syntax()},
    {"nonce of 0 octets", "3.9", {add(Ni)}, invalid_syntax()},
    {"KE of 3 octets", "3.4", {add(KE, "001f00")}, invalid_syntax()},
    {"SA empty", "3.3", {add(SA)}, invalid_syntax()},
    {"TSi empty", "3.13", {add(TSi)}, invalid_syntax()},
    {"EAP where it has no business is ignored", "2.16", {add(EAP)}, answers_nothing()},
    {"SA where it has no business is ignored",
     "1.4",
     {add(SA, "00000008 01030000")},
     answers_nothing()},
};

const Table right_after_auth_rows{
    "INFORMATIONAL request right after IKE_AUTH",
    {About::probe},
    {
        {"AUTHENTICATION_FAILED",
         "2.21.2",
         {add(N, "00 00 0018")},
         ends_quietly(EventKind::peer_refused)},
        {"INVALID_SYNTAX", "2.21.2", {add(N, "00 00 0007")}, ends_quietly(EventKind::peer_refused)},
        {"UNSUPPORTED_CRITICAL_PAYLOAD",
         "2.21.2",
         {add(N, "00 00 0001 63")},
         ends_quietly(EventKind::peer_refused)},
        {"TEMPORARY_FAILURE", "2.21.2", {add(N, "00 00 002b")}, answers_nothing()},
    },
};

const Table delete_child_rows{
    "request to delete a Child SA",
    {About::delete_child},
    {
        {"twice the same SPI in two payloads", "1.4.1", {twice(D)}, takes()},
        {"with a Child SA that there is not", "1.4.1", {add(D, "03 04 0001 deadbeef")}, takes()},
    },
};

// The true SA payload: 0: 00 00 0020 01 03 04 02  8: SPI  12: 03 00 000c 01 00 0014 800e 0100
// 24: 00 00 0008 05 00 0000. A TS payload: 0: 01 000000  4: 07 00 0010  8: 0000 ffff  12: first,
// 16: last.

const std::vector<Row> new_child_rows{
    {"no payloads", "1.3.1", {no_payloads()}, no_proposal_chosen()},
    {"SA missing", "1.3.1", {drop(SA)}, no_proposal_chosen()},
    {"Ni missing", "1.3.1", {drop(Ni)}, invalid_syntax()},
    {"TSi missing", "1.3.1", {drop(TSi)}, no_proposal_chosen()},
    {"TSr missing", "1.3.1", {drop(TSr)}, no_proposal_chosen()},
    {"SA twice", "1.3.1", {twice(SA)}, invalid_syntax()},
    {"Ni twice", "1.3.1", {twice(Ni)}, invalid_syntax()},
    {"TSi twice", "1.3.1", {twice(TSi)}, invalid_syntax()},
    {"TSr twice", "1.3.1", {twice(TSr)}, invalid_syntax()},
    {"nonce of 0 octets", "3.9", {resize(Ni, 0)}, invalid_syntax()},
    {"nonce of 15 octets", "3.9", {resize(Ni, 15)}, invalid_syntax()},
    {"nonce of 257 octets", "3.9", {resize(Ni, 257)}, invalid_syntax()},
    {"unknown payload, critical", "2.5", {add_critical(unassigned)}, unsupported_critical()},
    {"all payloads in reverse order", "2.5", {reverse()}, takes()},
    {"SPI 0", "RFC 4303 2.1", {patch(SA, 8, "00000000")}, no_proposal_chosen()},
    {"reserved SPI 1", "RFC 4303 2.1", {patch(SA, 8, "00000001")}, no_proposal_chosen()},
    {"reserved SPI 255", "RFC 4303 2.1", {patch(SA, 8, "000000ff")}, no_proposal_chosen()},
    {"SPI of 0 octets",
     "3.3.1",
     {put(SA, "0000001c 01030002 0300000c 01000014 800e0100 00000008 05000000")},
     no_proposal_chosen()},
    {"SPI of 8 octets",
     "3.3.1",
     {put(SA,
          "00000024 01030802 00000000deadbeef 0300000c 01000014 800e0100 00000008 "
          "05000000")},
     no_proposal_chosen()},
    {"for AH", "3.3.1", {patch(SA, 5, "02")}, no_proposal_chosen()},
    {"for protocol 0", "3.3.1", {patch(SA, 5, "00")}, no_proposal_chosen()},
    {"for IKE, SPI of 4 octets", "1.3.2", {patch(SA, 5, "01")}, no_proposal_chosen()},
    {"key length of another suite", "3.3.5", {patch(SA, 22, "0080")}, no_proposal_chosen()},
    {"unknown sequence numbers", "3.3.6", {patch(SA, 30, "00ff")}, no_proposal_chosen()},
    {"unknown Transform Type", "3.3.6", {patch(SA, 28, "63")}, no_proposal_chosen()},
    {"Proposal Num 0", "3.3.1", {patch(SA, 4, "00")}, invalid_syntax()},
    {"Num Transforms one too high", "3.3.1", {patch(SA, 7, "03")}, invalid_syntax()},
    {"Last Substruc of the proposal 2", "3.3.1", {patch(SA, 0, "02")}, invalid_syntax()},
    {"TSi empty", "3.13", {put(TSi, "")}, invalid_syntax()},
    {"TSi of no selectors", "3.13", {put(TSi, "00000000")}, invalid_syntax()},
    {"TSi announces two selectors and has one", "3.13", {patch(TSi, 0, "02")}, invalid_syntax()},
    {"TSi announces none and has one", "3.13", {patch(TSi, 0, "00")}, invalid_syntax()},
    {"selector of unknown type", "3.13.1", {patch(TSi, 4, "63")}, ts_unacceptable()},
    {"IPv6 selector of IPv4's length", "3.13.1", {patch(TSi, 4, "08")}, invalid_syntax()},
    {"Selector Length one too low", "3.13.1", {patch(TSi, 6, "000f")}, invalid_syntax()},
    {"Selector Length one too high", "3.13.1", {patch(TSi, 6, "0011")}, invalid_syntax()},
    {"Selector Length 3", "3.13.1", {patch(TSi, 6, "0003")}, invalid_syntax()},
    {"addresses upside down", "3.13.1", {patch(TSi, 12, "0a02000a 0a01000a")}, invalid_syntax()},
    {"ports upside down", "3.13.1", {patch(TSi, 8, "0200 0100")}, invalid_syntax()},
    {"selectors that no tunnel allows",
     "2.9",
     {patch(TSi, 12, "c0a80000 c0a800ff")},
     ts_unacceptable()},
    {"selectors of one protocol each, none in common",
     "2.9",
     {put(TSr,
          "01000000 08000028 0000ffff 00000000000000000000000000000000 "
          "ffffffffffffffffffffffffffffffff")},
     ts_unacceptable()},
    {"REKEY_SA of an SPI that there is not",
     "2.25",
     {add_first(N, "03 04 4009 deadbeef")},
     child_sa_not_found()},
    {"REKEY_SA of SPI 0", "2.25", {add_first(N, "03 04 4009 00000000")}, child_sa_not_found()},
    {"REKEY_SA without SPI", "2.25", {add_first(N, "03 00 4009")}, child_sa_not_found()},
    {"REKEY_SA of an SPI of 8 octets",
     "2.25",
     {add_first(N, "03 08 4009 00000000deadbeef")},
     child_sa_not_found()},
    {"REKEY_SA for AH", "2.25", {add_first(N, "02 04 4009 deadbeef")}, child_sa_not_found()},
    {"REKEY_SA for IKE",
     "2.25",
     {add_first(N, "01 08 4009 00000000deadbeef")},
     child_sa_not_found()},
    {"KE without PFS is ignored", "1.3.1", {add(KE, "001f0000 00")}, takes()},
};

const Table pfs_rows{
    "CREATE_CHILD_SA request with PFS",
    {About::new_child, false, false, "aes256gcm16-prfsha256-x25519", "aes256gcm16-x25519"},
    {
        {"KE missing", "1.3", {drop(KE)}, answers(NotifyType::invalid_ke_payload, "001f")},
        {"KE twice", "1.3.1", {twice(KE)}, invalid_syntax()},
        {"KE of another method",
         "1.3",
         {patch(KE, 0, "0013")},
         answers(NotifyType::invalid_ke_payload, "001f")},
        {"KE of 3 octets", "3.4", {put(KE, "001f00")}, invalid_syntax()},
    },
};

const Table rekey_child_rows{
    "request to rekey a Child SA",
    {About::rekey_child},
    {
        {"of an SPI that there is not",
         "2.25",
         {put(N, "03 04 4009 deadbeef")},
         misleads(NotifyType::child_sa_not_found)},
        {"Ni missing", "1.3.3", {drop(Ni)}, invalid_syntax()},
        {"SPI 0", "RFC 4303 2.1", {patch(SA, 8, "00000000")}, no_proposal_chosen()},
        {"selectors that no tunnel allows",
         "2.9",
         {patch(TSi, 12, "c0a80000 c0a800ff")},
         ts_unacceptable()},
    },
};

// 0: 00 00 002c 01 01 08 03  8: SPI  16: transforms as in IKE_SA_INIT
const std::vector<Row> rekey_ike_rows{
    {"Ni missing", "1.3.2", {drop(Ni)}, invalid_syntax()},
    {"Ni twice", "1.3.2", {twice(Ni)}, invalid_syntax()},
    {"SA twice", "1.3.2", {twice(SA)}, invalid_syntax()},
    {"KE missing", "1.3.2", {drop(KE)}, answers(NotifyType::invalid_ke_payload, "001f")},
    {"KE twice", "1.3.2", {twice(KE)}, invalid_syntax()},
    {"KE of another method",
     "1.3.2",
     {patch(KE, 0, "0013")},
     answers(NotifyType::invalid_ke_payload, "001f")},
    {"SPI 0", "3.3.1", {patch(SA, 8, "0000000000000000")}, no_proposal_chosen()},
    {"SPI of 4 octets",
     "3.3.1",
     {put(SA,
          "00000028 01010403 deadbeef 0300000c01000014800e0100 0300000802000005 "
          "000000080400001f")},
     no_proposal_chosen()},
    {"SPI of 0 octets",
     "3.3.1",
     {put(SA,
          "00000024 01010003 0300000c01000014800e0100 0300000802000005 "
          "000000080400001f")},
     no_proposal_chosen()},
    {"key length of another suite", "3.3.6", {patch(SA, 26, "0080")}, no_proposal_chosen()},
    {"unknown payload, critical", "2.5", {add_critical(unassigned)}, unsupported_critical()},
    {"all payloads in reverse order", "2.5", {reverse()}, takes()},
};

}  // namespace

std::vector<Table> established_tables() {
    return {
        right_after_auth_rows,
        delete_child_rows,
        pfs_rows,
        rekey_child_rows,
        {"INFORMATIONAL request of the initiator", {About::probe}, informational_rows},
        {"INFORMATIONAL request of the responder", {About::probe, false, true}, informational_rows},
        {"CREATE_CHILD_SA request of the initiator", {About::new_child}, new_child_rows},
        {"CREATE_CHILD_SA request of the responder",
         {About::new_child, false, true},
         new_child_rows},
        {"request of the initiator to rekey the IKE SA", {About::rekey_ike}, rekey_ike_rows},
        {"request of the responder to rekey the IKE SA",
         {About::rekey_ike, false, true},
         rekey_ike_rows},
    };
}

}  // namespace anyswan::ike::test
