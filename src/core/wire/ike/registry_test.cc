// SPDX-License-Identifier: Apache-2.0
#include "core/wire/ike/registry.h"

#include <gtest/gtest.h>

namespace anyswan::wire::ike {
namespace {

TEST(Registry, NamesAreThoseOfIana) {
    EXPECT_EQ(name(ExchangeType::create_child_sa), "CREATE_CHILD_SA");
    EXPECT_EQ(name(PayloadType::ts_initiator), "TSi");
    EXPECT_EQ(name(ProtocolId::esp), "ESP");
    EXPECT_EQ(name(TransformType::addke7), "ADDKE7");
    EXPECT_EQ(name(EncrId::chacha20_poly1305), "ENCR_CHACHA20_POLY1305");
    EXPECT_EQ(name(PrfId::hmac_sha2_384), "PRF_HMAC_SHA2_384");
    EXPECT_EQ(name(IntegId::hmac_sha2_256_128), "AUTH_HMAC_SHA2_256_128");
    EXPECT_EQ(name(KeMethod::ecp256), "256-bit random ECP group");
    EXPECT_EQ(name(SnId::unspecified_32), "32-bit Unspecified Numbers");
    EXPECT_EQ(name(IdType::rfc822_addr), "ID_RFC822_ADDR");
    EXPECT_EQ(name(AuthMethod::shared_key_mic), "Shared Key Message Integrity Code");
    EXPECT_EQ(name(NotifyType::no_proposal_chosen), "NO_PROPOSAL_CHOSEN");
}

TEST(Registry, UnknownValuesPrintAsTheirNumber) {
    EXPECT_EQ(name(ExchangeType(99)), "99");
    EXPECT_EQ(name(NotifyType(40000)), "40000");
    EXPECT_EQ(name(EncrId(1234)), "1234");
}

TEST(Registry, ErrorsEndWhereStatusBegins) {
    EXPECT_TRUE(is_error(NotifyType(16383)));
    EXPECT_FALSE(is_error(NotifyType::initial_contact));
}

}  // namespace
}  // namespace anyswan::wire::ike
