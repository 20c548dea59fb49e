// SPDX-License-Identifier: Apache-2.0
#include "edge/bootstrap.h"

#include "edge/log.h"

namespace anyswan::edge {

namespace {

constexpr std::uint64_t incarnation_max = (1U << 24U) - 1;
// Block n holds SPIs n*4096 .. n*4096+4095; 0 would hold the reserved ones.
constexpr std::uint64_t spi_block_max = (1U << 20U) - 1;

std::string edge_id_key(EdgeId id) {
    return "edge-id/" + std::to_string(id.value());
}

}  // namespace

Bootstrap::Bootstrap(Parts parts)
    : parts_(std::move(parts)), timer_(parts_.loop), block_timer_(parts_.loop) {}

void Bootstrap::run(std::function<void(Result<Held>)> done) {
    done_ = std::move(done);
    claim_edge_id();
}

Bytes Bootstrap::holder(const std::string& key) {
    sa::HolderRecord record{parts_.edge, parts_.id, held_.incarnation, parts_.loop.now().wall};
    return sa::seal_record(parts_.keys, parts_.random, key, {Epoch(1), 1}, record);
}

void Bootstrap::retry(const std::string& what, const store::StoreError& error,
                      std::function<void()> again) {
    log::warn("start", "waiting for the store: could not claim " + what + ": " + error.message);
    timer_.after(1s, std::move(again));
}

void Bootstrap::claim_edge_id() {
    const std::string key = edge_id_key(parts_.id);
    parts_.store.swap_claim(
        key, holder(key), Revision{}, [this](store::StoreResult<store::Swap> answer) {
            if (!answer) {
                retry("the edge number", answer.error(), [this] { claim_edge_id(); });
            } else if (answer->won) {
                claim_incarnation();
            } else {
                check_edge_id();
            }
        });
}

void Bootstrap::check_edge_id() {
    const std::string key = edge_id_key(parts_.id);
    parts_.store.read_claim(key, [this,
                                  key](store::StoreResult<std::optional<store::Claim>> answer) {
        if (!answer || !*answer) {
            retry("the edge number", answer ? store::StoreError{} : answer.error(),
                  [this] { claim_edge_id(); });
            return;
        }
        const auto opened = sa::open_record(parts_.keys, key, (**answer).value);
        const auto* holder = opened ? std::get_if<sa::HolderRecord>(&opened->record) : nullptr;
        if (holder == nullptr) {
            done_(fail("cannot open the store's record of edge number " +
                       std::to_string(parts_.id.value()) + " (" +
                       (opened ? "wrong kind" : sa::name(opened.error())) +
                       "); is fleet_key_file the one that the other edges use?"));
        } else if (holder->edge != parts_.edge) {
            done_(fail("edge number " + std::to_string(parts_.id.value()) + " belongs to edge \"" +
                       holder->edge + "\"; give this edge another edge.id"));
        } else {
            claim_incarnation();
        }
    });
}

void Bootstrap::claim_incarnation() {
    held_.incarnation =
        Incarnation(static_cast<std::uint32_t>(1 + parts_.random.below(incarnation_max)));
    const std::string key = sa::incarnation_key(held_.incarnation);
    parts_.store.swap_claim(
        key, holder(key), Revision{}, [this](store::StoreResult<store::Swap> answer) {
            if (!answer) {
                retry("an incarnation", answer.error(), [this] { claim_incarnation(); });
            } else if (!answer->won) {
                claim_incarnation();  // some start had this number: draw another
            } else {
                claim_spi_block([this](std::uint32_t block) {
                    held_.spi_block = block;
                    done_(held_);
                });
            }
        });
}

void Bootstrap::claim_spi_block(std::function<void(std::uint32_t)> done) {
    const auto block = static_cast<std::uint32_t>(1 + parts_.random.below(spi_block_max));
    const std::string key = sa::spi_block_key(block);
    parts_.store.swap_claim(
        key, holder(key), Revision{},
        [this, block, done = std::move(done)](store::StoreResult<store::Swap> answer) {
            if (answer && answer->won) {
                done(block);
            } else if (answer) {
                claim_spi_block(done);
            } else {
                block_timer_.after(1s, [this, done] { claim_spi_block(done); });
            }
        });
}

}  // namespace anyswan::edge
