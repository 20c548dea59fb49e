// SPDX-License-Identifier: Apache-2.0
// What becomes of each refusal of the kernel, with a scripted one.
#include <gmock/gmock.h>
#include <linux/xfrm.h>

#include <cerrno>

#include "dataplane/test_peer.h"
#include "dataplane/xfrm/model.h"
#include "dataplane/xfrm/scripted_kernel.h"

namespace anyswan::dataplane::xfrm {
namespace {

using dataplane::testing::install;
using dataplane::testing::tunnel_id;
using esp::testing::make_record;
using testing::Fault;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr WallTime now{1'000'000'000'000};
constexpr int for_ever = 1'000'000;

class XfrmKernel : public ::testing::Test {
protected:
    void SetUp() override {
        model.add_domain("acme");
        sa = *model.install(install(make_record("aes128gcm16-esn", 0x1000)), now);
        sa->numbers = OutboundNumbers{99, 1000, 400, false};
    }
    /// One round, as the worker makes it.
    std::vector<Refusal> bring(Contents wanted) {
        std::vector<Job> jobs;
        jobs.push_back(kernel.plan(sa->tunnel->number, std::move(wanted)));
        std::vector<Refusal> refusals = kernel.strengthen(jobs);
        stayed = kernel.weaken(jobs);
        return refusals;
    }
    std::vector<Refusal> bring() { return bring(model.wanted(*sa->tunnel)); }
    [[nodiscard]] std::uint64_t counter(const std::string& name) const {
        const auto found = kernel.counts().find(name);
        return found == kernel.counts().end() ? 0 : found->second;
    }
    void faults(Fault fault) { script.faults = {std::move(fault)}; }

    testing::Script script;
    Kernel kernel{testing::make_channel(script)};
    Model model{ModelOptions{}};
    Sa* sa = nullptr;
    std::vector<std::uint32_t> stayed;
};

TEST_F(XfrmKernel, WhatWasRefusedForWantOfMemoryIsTriedAgain) {
    for (const int error : {ENOBUFS, ENOMEM, EAGAIN, ETIMEDOUT}) {
        SCOPED_TRACE(error);
        script.states.clear();
        (void)kernel.load();
        script.pauses.clear();
        faults({XFRM_MSG_NEWSA, error, 3});
        EXPECT_THAT(bring(), IsEmpty());
        EXPECT_THAT(script.states, SizeIs(2));
        EXPECT_GE(script.pauses.size(), 2U);
        EXPECT_GT(script.pauses.back(), script.pauses.front()) << "later each time";
    }
    EXPECT_EQ(counter("netlink_errors"), 0U);
    EXPECT_GE(counter("netlink_retries"), 8U);
}

TEST_F(XfrmKernel, MemoryThatDoesntComeIsARefusalForNow) {
    faults({XFRM_MSG_NEWSA, ENOMEM, for_ever, false, EspSpi(0x1000)});
    const auto refusals = bring();
    ASSERT_THAT(refusals, SizeIs(1));
    EXPECT_EQ(refusals[0].kind, Refusal::Kind::add);
    EXPECT_EQ(refusals[0].state.spi, EspSpi(0x1000));
    EXPECT_TRUE(refusals[0].again);
    EXPECT_THAT(refusals[0].why, HasSubstr("SPI 00001000 to 192.0.2.1: Cannot allocate memory; the "
                                           "kernel is short of memory for SAs"));
    EXPECT_EQ(counter("netlink_enobufs"), 1U);
    EXPECT_THAT(script.pauses, SizeIs(5)) << "bounded: the worker has other work";
    script.faults.clear();
    EXPECT_THAT(bring(), IsEmpty());
    EXPECT_THAT(script.states, SizeIs(2));
}

TEST_F(XfrmKernel, AnAnswerThatGotLostIsNoRefusal) {
    faults({XFRM_MSG_NEWSA, ENOBUFS, 2, true});
    EXPECT_THAT(bring(), IsEmpty());
    EXPECT_EQ(counter("netlink_replaced"), 0U) << "it is there, with our key";
    EXPECT_EQ(script.count(XFRM_MSG_DELSA), 0U);
    EXPECT_THAT(script.states, SizeIs(2));
}

TEST_F(XfrmKernel, AFullTableIsNamedAndLeftAloneForNow) {
    faults({XFRM_MSG_NEWSA, ENOSPC, for_ever});
    const auto refusals = bring();
    ASSERT_THAT(refusals, SizeIs(2));
    EXPECT_TRUE(refusals[0].again);
    EXPECT_THAT(refusals[0].why, HasSubstr("a table of the kernel is full"));
    EXPECT_EQ(counter("netlink_full"), 2U);
    EXPECT_THAT(script.pauses, IsEmpty()) << "at once wouldn't help";
}

TEST_F(XfrmKernel, AnAlgorithmThatTheKernelLacksIsNamed) {
    for (const int error : {ENOSYS, ENOENT, EINVAL, EPROTONOSUPPORT}) {
        SCOPED_TRACE(error);
        faults({XFRM_MSG_NEWSA, error, for_ever, false, EspSpi(0x1001),
                "Requested AEAD algorithm not found"});
        const auto refusals = bring();
        ASSERT_THAT(refusals, SizeIs(1));
        EXPECT_THAT(refusals[0].why, HasSubstr("(Requested AEAD algorithm not found); it lacks ESP "
                                               "or rfc4106(gcm(aes)) (anyswan doctor"));
        EXPECT_TRUE(refusals[0].again) << "somebody may load the module";
    }
    EXPECT_EQ(counter("netlink_unsupported"), 4U);
    EXPECT_THAT(script.pauses, IsEmpty());
}

TEST_F(XfrmKernel, ALeftoverOfOursWithAnotherKeyIsReplaced) {
    (void)bring();
    State& state = script.states.at(sa->inbound_id());
    state.algorithms.aead->key.writable()[0] ^= 1;
    Kernel fresh{testing::make_channel(script)};  // it has not looked
    kernel = std::move(fresh);
    EXPECT_THAT(bring(), IsEmpty());
    EXPECT_EQ(counter("netlink_replaced"), 1U);
    EXPECT_EQ(script.states.at(sa->inbound_id()).algorithms, sa->in_algorithms);
}

TEST_F(XfrmKernel, SomebodyElsesStateIsRefusedAndNotTouched) {
    State foreign = model.inbound_state(*sa);
    foreign.reqid = 7;
    script.states.emplace(foreign.id, clone(foreign));
    const auto refusals = bring();
    ASSERT_THAT(refusals, SizeIs(1));
    EXPECT_TRUE(refusals[0].again);
    EXPECT_THAT(refusals[0].why, HasSubstr("has that SPI"));
    EXPECT_GE(counter("netlink_eexist"), 1U);
    EXPECT_EQ(script.states.at(foreign.id).reqid, 7U);
    EXPECT_EQ(script.count(XFRM_MSG_DELSA), 0U);
}

TEST_F(XfrmKernel, AStateThatEndedByItselfIsMissedAtItsNextChange) {
    (void)bring();
    script.states.erase(sa->outbound_id());
    sa->numbers->last = 2000;
    const auto refusals = bring();
    ASSERT_THAT(refusals, SizeIs(1));
    EXPECT_EQ(refusals[0].kind, Refusal::Kind::gone);
    EXPECT_EQ(refusals[0].state, sa->outbound_id());
    EXPECT_EQ(counter("netlink_esrch"), 1U);
    EXPECT_FALSE(kernel.present(sa->tunnel->number).states.contains(sa->outbound_id()));
}

TEST_F(XfrmKernel, WhatIsGoneAlreadyIsRemoved) {
    (void)bring();
    script.states.clear();
    script.policies.clear();
    EXPECT_THAT(bring(Contents{}), IsEmpty());
    EXPECT_THAT(stayed, IsEmpty());
    EXPECT_TRUE(kernel.present(sa->tunnel->number).empty());
    EXPECT_GE(counter("netlink_esrch"), 2U);
}

TEST_F(XfrmKernel, WhatCouldntBeRemovedIsRemovedLater) {
    (void)bring();
    faults({XFRM_MSG_DELSA, ENOMEM, for_ever});
    EXPECT_THAT(bring(Contents{}), IsEmpty());
    EXPECT_THAT(stayed, SizeIs(2)) << "a state of an ended SA must not go on receiving";
    EXPECT_THAT(kernel.present(sa->tunnel->number).states, SizeIs(2));
    script.faults.clear();
    EXPECT_THAT(bring(Contents{}), IsEmpty());
    EXPECT_THAT(script.states, IsEmpty());
}

TEST_F(XfrmKernel, ARefusedPolicyIsNamed) {
    faults({XFRM_MSG_UPDPOLICY, ENOSPC, 1});
    const auto refusals = bring();
    ASSERT_THAT(refusals, SizeIs(1));
    EXPECT_EQ(refusals[0].kind, Refusal::Kind::policy);
    EXPECT_TRUE(refusals[0].again);
    EXPECT_THAT(refusals[0].why, HasSubstr("took no policy 10.2.0.0/16 to 10.1.0.0/16"));
}

TEST_F(XfrmKernel, ALiveStateIsMovedForwardAlone) {
    (void)bring();
    State& out = script.states.at(sa->outbound_id());
    out.replay.sent = SequenceNumber(500);
    EXPECT_FALSE(kernel.skip_to(sa->outbound_id(), SequenceNumber(400)).has_value());
    EXPECT_EQ(out.replay.sent, SequenceNumber(500)) << "N1";
    ASSERT_TRUE(kernel.skip_to(sa->outbound_id(), SequenceNumber(900)).has_value());
    EXPECT_EQ(out.replay.sent, SequenceNumber(900));
    // A leftover that has counted further than we would begin.
    Kernel fresh{testing::make_channel(script)};
    kernel = std::move(fresh);
    EXPECT_THAT(bring(), IsEmpty());
    EXPECT_EQ(script.states.at(sa->outbound_id()).replay.sent, SequenceNumber(900)) << "N1";
    // And one that has not: the numbers between may be another edge's.
    script.states.at(sa->outbound_id()).replay.sent = SequenceNumber(5);
    Kernel another{testing::make_channel(script)};
    kernel = std::move(another);
    EXPECT_THAT(bring(), IsEmpty());
    EXPECT_EQ(script.states.at(sa->outbound_id()).replay.sent, SequenceNumber(99)) << "N2";
}

}  // namespace
}  // namespace anyswan::dataplane::xfrm
