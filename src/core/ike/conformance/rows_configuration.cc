// SPDX-License-Identifier: Apache-2.0
// Rows about configuration payloads (RFC 7296 2.19, 3.15): the customer asks for an IPv4 address in
// IKE_AUTH, the fleet gives it 10.9.0.5.
#include "core/ike/conformance/row.h"

namespace anyswan::ike::test {

using wire::ike::NotifyType;

namespace {

Reaction invalid_syntax() {
    return ends(NotifyType::invalid_syntax);
}
/// FAILED_CP_REQUIRED or INTERNAL_ADDRESS_FAILURE: the IKE SA stands without a Child SA, and is of
/// no use to the customer.
Reaction no_address() {
    return comes_to_nothing(EventKind::we_refused);
}

std::string repeated(const std::string& octets, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) {
        all += octets;
    }
    return all;
}

// The true CP: 01 000000, then INTERNAL_IP4_ADDRESS 0001 0000, INTERNAL_IP4_DNS 0003 0000.

const Table request_rows{
    "IKE_AUTH request with CP(CFG_REQUEST)",
    {.about = About::auth, .configuration = true},
    {
        {"CP missing: FAILED_CP_REQUIRED", "2.19", {drop(CP)}, no_address()},
        {"CP twice", "2.19", {twice(CP)}, invalid_syntax()},
        {"CP of 3 octets", "3.15", {put(CP, "010000")}, invalid_syntax()},
        {"CP with an attribute of 3 octets", "3.15.1", {append(CP, "000100")}, invalid_syntax()},
        {"CP with an attribute beyond its end",
         "3.15.1",
         {put(CP, "01000000 0001 0005 0a090005")},
         invalid_syntax()},
        {"CFG_REPLY, which asks for nothing", "3.15", {patch(CP, 0, "02")}, no_address()},
        {"CFG_SET, which is acknowledged with nothing", "3.15", {patch(CP, 0, "03")}, no_address()},
        {"CFG_ACK", "3.15", {patch(CP, 0, "04")}, no_address()},
        {"unknown CFG Type 0", "3.15", {patch(CP, 0, "00")}, no_address()},
        {"unknown CFG Type 255", "3.15", {patch(CP, 0, "ff")}, no_address()},
        {"no attributes", "3.15", {put(CP, "01000000")}, no_address()},
        {"unknown attributes alone", "3.15.1", {put(CP, "01000000 4000 0002 abcd")}, no_address()},
        {"DNS alone", "3.15.1", {put(CP, "01000000 0003 0000")}, no_address()},
        {"an address of a family without a pool: INTERNAL_ADDRESS_FAILURE",
         "3.15.4",
         {put(CP, "01000000 0008 0000")},
         no_address()},
        {"reserved octets set", "3.15", {patch(CP, 1, "ffffff")}, takes()},
        {"reserved bit of an attribute set", "3.15.1", {patch(CP, 4, "80")}, takes()},
        {"an unknown attribute beside the address",
         "3.15.1",
         {append(CP, "4000 0001 ff")},
         takes()},
        {"a wish for another address is only a hint",
         "3.15.1",
         {put(CP, "01000000 0001 0004 0a090007 0003 0000")},
         takes()},
        {"a wish of 3 octets", "3.15.1", {put(CP, "01000000 0001 0003 0a0900 0003 0000")}, takes()},
        {"a family without a pool beside one with it",
         "3.15.4",
         {append(CP, "0008 0000")},
         takes()},
        {"the same attribute five hundred times",
         "3.15.1",
         {append(CP, repeated("00010000", 500))},
         takes()},
    },
};

Reaction not_authenticated() {
    return comes_to_nothing(EventKind::authentication_failed);
}
Reaction no_child() {
    return comes_to_nothing(EventKind::peer_refused);
}

// The true CP: 02 000000, then INTERNAL_IP4_ADDRESS 0001 0004 0a090005.

const Table response_rows{
    "IKE_AUTH response with CP(CFG_REPLY)",
    {.about = About::auth, .response = true, .configuration = true},
    {
        {"CP missing", "3.15.4", {drop(CP)}, no_child()},
        {"CP twice", "2.19", {twice(CP)}, not_authenticated()},
        {"CP of 3 octets", "3.15", {put(CP, "020000")}, not_authenticated()},
        {"CP with an attribute beyond its end",
         "3.15.1",
         {put(CP, "02000000 0001 0005 0a090005")},
         not_authenticated()},
        {"CFG_REQUEST", "3.15", {patch(CP, 0, "01")}, no_child()},
        {"CFG_SET", "3.15", {patch(CP, 0, "03")}, no_child()},
        {"CFG_ACK", "3.15", {patch(CP, 0, "04")}, no_child()},
        {"unknown CFG Type 255", "3.15", {patch(CP, 0, "ff")}, no_child()},
        {"no attributes", "3.15.4", {put(CP, "02000000")}, no_child()},
        {"an address without octets", "3.15.1", {put(CP, "02000000 0001 0000")}, no_child()},
        {"an address of 3 octets", "3.15.1", {put(CP, "02000000 0001 0003 0a0900")}, no_child()},
        {"an address of 5 octets",
         "3.15.1",
         {put(CP, "02000000 0001 0005 0a09000500")},
         no_child()},
        {"0.0.0.0", "3.15.1", {patch(CP, 8, "00000000")}, no_child()},
        {"a multicast address", "3.15.1", {patch(CP, 8, "e0000005")}, no_child()},
        {"255.255.255.255", "3.15.1", {patch(CP, 8, "ffffffff")}, no_child()},
        {"127.0.0.1", "3.15.1", {patch(CP, 8, "7f000001")}, no_child()},
        {"another address than TSi has", "2.19", {patch(CP, 8, "0a090006")}, no_child()},
        {"DNS alone", "3.15.4", {put(CP, "02000000 0003 0004 0a000035")}, no_child()},
        {"an IPv6 address, which was not asked for",
         "3.15.4",
         {put(CP, "02000000 0008 0011 fd090000000000000000000000000005 80")},
         no_child()},
        {"reserved octets set", "3.15", {patch(CP, 1, "ffffff")}, takes()},
        {"reserved bit of an attribute set", "3.15.1", {patch(CP, 4, "80")}, takes()},
        {"an unknown attribute beside the address",
         "3.15.1",
         {append(CP, "4000 0001 ff")},
         takes()},
        {"a netmask of 3 octets is passed over",
         "3.15.1",
         {append(CP, "0002 0003 ffffff")},
         takes()},
        {"a second address is passed over", "3.15.1", {append(CP, "0001 0004 0a090006")}, takes()},
    },
};

const Table unasked_rows{
    "IKE_AUTH response to a request without CP",
    {.about = About::auth, .response = true},
    {
        {"CFG_REPLY without a request is ignored",
         "2.19",
         {add(CP, "02000000 0001 0004 0a090005")},
         takes()},
    },
};

}  // namespace

std::vector<Table> configuration_tables() {
    return {request_rows, response_rows, unasked_rows};
}

}  // namespace anyswan::ike::test
