// SPDX-License-Identifier: Apache-2.0
// What one edge knows of the fleet's facts: the newest version of each, whoever brought it.
//
// Facts arrive twice, late and by two ways: our own writes, the store's watch (ordered) and the
// bus's copies (fast, lossy, unordered). Facts of one key are ranked, and the highest wins: a
// tombstone over a live record, then the higher version, then, where two writers made one version,
// the larger bytes. So every edge that has seen the same facts holds the same ones, in whatever
// order they came, and what has ended stays ended (N6). What the store deleted stays deleted until
// a higher version comes.
//
// It also knows what the store should hold and doesn't: after the store was reset, or when a late
// writer put an older version over a newer one ("last put wins" there), the facts are put again.
#pragma once

#include <map>

#include "core/sa/envelope.h"

namespace anyswan::sa {

enum class FactSource : std::uint8_t {
    own,    // we write it now
    store,  // the store's watch showed it
    fast,   // the bus's copy, ahead of the store
};

enum class FactVerdict : std::uint8_t {
    newer,  // it is what the table holds now: act on it
    same,   // held already: nothing to do
    stale,  // older than what is held, or of something that has ended: ignore it
};

struct Fact {
    EnvelopeHeader header;
    Bytes envelope;
    bool ended = false;     // a tombstone
    bool own = false;       // this version was written by us
    bool in_store = false;  // the store has shown this version, and nothing else since
};

struct FactCounts {
    std::size_t live = 0;
    std::size_t ended = 0;
    // Events since start.
    std::uint64_t newer = 0;
    std::uint64_t same = 0;
    std::uint64_t stale = 0;
    std::uint64_t conflicts = 0;  // one version with two contents: two writers, or one with a bug
};

/// Whether the record is a tombstone.
[[nodiscard]] bool has_ended(const Record& record);

class FactTable {
public:
    /// The verdict from the clear part alone, before anything is opened: `newer` means "open it,
    /// then apply()"; `same` and `stale` are final and have been counted. Headers aren't
    /// authenticated before they are opened, so this never changes what is held.
    [[nodiscard]] FactVerdict sift(const EnvelopeHeader& header, ByteView envelope,
                                   FactSource source);
    /// Takes an opened (or own) fact. `ended`: has_ended() of its record.
    FactVerdict apply(EnvelopeHeader header, Bytes envelope, bool ended, FactSource source);
    /// The store deleted the key. True: a fact was held and is gone. False: nothing to act on; a
    /// fact that the store hasn't shown yet is younger than the delete and stays.
    bool remove(const std::string& key);
    /// Drops all memory of an ended or deleted fact, once no copy of it can be on its way any more.
    void forget(const std::string& key);
    /// The store lost its past: nothing counts as held by it until it shows it again.
    void on_store_reset();

    /// Borrowed until the next change of the table; nullptr: none held.
    [[nodiscard]] const Fact* find(const std::string& key) const;
    /// All facts of our own writing, tombstones too, in order of their keys. Borrowed as above.
    [[nodiscard]] std::vector<const Fact*> own_facts() const;
    /// All facts the store doesn't show: writes of ours on their way and, once a snapshot is
    /// complete, what it has lost. Each is to be put again by its writer (`own`), or by anyone if
    /// the writer is gone.
    [[nodiscard]] std::vector<const Fact*> not_in_store() const;
    [[nodiscard]] FactCounts counts() const;

private:
    struct Entry {
        Fact fact;
        bool deleted = false;  // only the version is left, as the floor of what may come
    };

    [[nodiscard]] static FactVerdict judge_unopened(const Entry& held, const EnvelopeHeader& header,
                                                    ByteView envelope);
    [[nodiscard]] static FactVerdict judge(const Entry& held, const Fact& arrived);
    /// Counts a verdict and notes what it says about the store.
    FactVerdict settle(Entry& held, FactVerdict verdict, FactSource source);

    std::map<std::string, Entry> entries_;
    FactCounts events_;
};

}  // namespace anyswan::sa
