# SPDX-License-Identifier: Apache-2.0
"""docs/interop.md: the matrix as tables, every failure and every "can't" with its reason."""

import datetime

from anylab.peers import PEERS
from cases import CASES

CELL = {"pass": "pass", "fail": "**fail**", "cannot": "peer can't", "theirs": "peer fails"}


def summary(results):
    counts = {state: sum(_state(result) == state for result in results) for state in CELL}
    return (f"{counts['pass']} passed, {counts['fail']} failed, {counts['theirs']} failed at the peer, "
            f"{counts['cannot']} the peer can't do")


def write_report(path, results, versions=None):
    versions = versions or {}
    table = {(r.peer, r.case, r.role): r for r in results}
    names = [name for name in PEERS if any(r.peer == name for r in results)]
    lines = ["# Interoperability", "",
             "Made by `tests/interop/run`; don't edit. A cell is played between our daemon and a real IKEv2 daemon: both sides must",
             "agree on SPIs, algorithms and encapsulation, and pings must pass both ways without loss, also while SAs are rekeyed.", "",
             f"Date: {datetime.date.today().isoformat()}. {summary(results)}.", "",
             "| column | peer | its ESP |", "|---|---|---|"]
    for name in names:
        lines.append(f"| {PEERS[name].title} | {versions.get(name) or PEERS[name].version()} | {PEERS[name].dataplane} |")
    lines += ["", "In each cell: we as responder / we as initiator."]
    for group in dict.fromkeys(case.group for case in CASES):
        lines += ["", f"## {group}", "", "| | " + " | ".join(PEERS[name].title for name in names) + " |",
                  "|---|" + "---|" * len(names)]
        for case in CASES:
            if case.group == group:
                cells = [_cell(table, name, case) for name in names]
                lines.append(f"| {case.title} | " + " | ".join(cells) + " |")
    for state, title in (("fail", "Failures"), ("theirs", "Failures of a peer: its own kernel counted what was lost"),
                         ("cannot", "What a peer can't do")):
        rows = _reasons(results, state)
        if rows:
            lines += ["", f"## {title}", "", *rows]
    path.write_text("\n".join(lines) + "\n")


def _state(result):
    return "theirs" if result.state == "fail" and result.theirs else result.state


def _cell(table, name, case):
    texts = [CELL[_state(table[name, case.name, role])] if (name, case.name, role) in table else "–"
             for role in ("responder", "initiator")]
    return texts[0] if texts[0] == texts[1] else " / ".join(texts)


def _reasons(results, state):
    """One line for each peer and reason, with the cells it holds for."""
    grouped = {}
    for result in results:
        if _state(result) == state:
            grouped.setdefault((result.peer, result.reason), []).append(result)
    rows = []
    for (peer, reason), same in grouped.items():
        cells = ", ".join(dict.fromkeys(r.case if state == "cannot" else f"{r.case} ({r.role})" for r in same))
        rows.append(f"- {PEERS[peer].title}: {cells}: {reason}")
    return rows
