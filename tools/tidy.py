# SPDX-License-Identifier: Apache-2.0
"""Lint as a test: what STYLE.md promises and no compiler checks. Run by `./test lint`.

    python3 tools/tidy.py [CHECK...]      all checks, or the named ones; --list names them
"""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"

LINE_MAX = 100
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70

# What a folder may include, besides itself: those before it, as ARCHITECTURE.md draws it.
ALLOWED = {
    "base": [],
    "core/wire": ["base"],
    "core/crypto": ["base", "core/wire"],
    "core/sa": ["base", "core/wire", "core/crypto"],
    "core/ike": ["base", "core/wire", "core/crypto", "core/sa"],
    "core/trace": ["base", "core/wire", "core/crypto", "core/sa", "core/ike"],
    "core/esp": ["base", "core/wire", "core/crypto", "core/sa"],
    "core/route": ["base", "core/sa"],
    "core/policy": ["base", "core/sa"],
    "config": ["base", "core"],
    "store": ["base"],
    "net": ["base", "core/wire"],
    "dataplane": ["base", "core", "net"],
    "edge": ["base", "core", "config", "store", "net", "dataplane"],
    "api": ["base", "core", "config", "net", "edge"],
    "cli": ["base", "core", "config", "net", "dataplane", "edge", "api"],
    "sim": ["base", "core", "config", "store", "dataplane", "edge"],
    "replay": ["base", "core"],
    "bin": ["base", "core", "cli", "replay"],
}

# Pure code: words it may not contain, each with what to do instead.
IMPURE = [
    (r"::now\s*\(", "time is an argument (base/time.h)"),
    (r"random_device|\brand\s*\(|\bgetrandom\b|RAND_bytes|randombytes_", "randomness is an argument (base/random.h)"),
    (r"#include <(sys/|netinet/|net/|linux/|unistd|fcntl|thread|mutex|fstream|iostream|atomic|condition_variable|future)",
     "no system, thread or file in pure code"),
    (r"\bstd::(thread|mutex|atomic|ofstream|ifstream|cout|cerr)\b", "no thread or stream in pure code"),
    (r"\b(printf|fprintf|fopen|getenv|system)\s*\(", "no I/O in pure code"),
]
# base/ip.cc uses inet_pton and inet_ntop, which are pure functions; base/check.cc must speak before it aborts.
IMPURE_EXCEPT = {"src/base/ip.cc": "arpa/inet", "src/base/check.cc": "fprintf"}


def sources(*patterns):
    files = []
    for folder in ("src", "fuzz", "bench"):
        for pattern in patterns or ("*.h", "*.cc"):
            files += (ROOT / folder).rglob(pattern)
    return sorted(files)


def rel(path):
    return str(path.relative_to(ROOT))


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def check_purity():
    """Pure folders (src/base, src/core) know no clock, random device, socket, thread, file."""
    for path in [*(SRC / "base").rglob("*"), *(SRC / "core").rglob("*")]:
        if path.suffix not in (".h", ".cc") or path.stem.endswith("_test"):
            continue
        for number, line in enumerate(strip_comments(path.read_text()).splitlines(), 1):
            for pattern, instead in IMPURE:
                if re.search(pattern, line) and IMPURE_EXCEPT.get(rel(path), "\0") not in line:
                    yield f"{rel(path)}:{number}: {line.strip()}: {instead}"


def folder_of(path):
    parts = path.relative_to(SRC).parts
    return "/".join(parts[:2]) if parts[0] == "core" else parts[0]


def check_layers():
    """Includes point one way, as ARCHITECTURE.md draws it."""
    for path in sorted(SRC.rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        here = folder_of(path)
        if here not in ALLOWED:
            yield f"{rel(path)}: folder {here} has no place in tools/tidy.py ALLOWED"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "([^"]+)"', line)
            target = SRC / found[1] if found else None
            if not target or not target.exists():
                continue
            there = folder_of(target)
            if there != here and not any(there == ok or there.startswith(ok + "/") for ok in ALLOWED[here]):
                yield f"{rel(path)}:{number}: {here} may not include {there}"


def functions(text):
    """(name line, length) of each brace block that begins at a function's head; good enough for a ratchet."""
    lines = strip_comments(text).splitlines()
    depth, starts = 0, []
    for number, line in enumerate(lines, 1):
        bare = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'', "", line)
        for char in bare:
            if char == "{":
                starts.append((depth, number, line))
                depth += 1
            elif char == "}" and starts:
                depth -= 1
                _, began, head = starts.pop()
                if re.search(r"\)\s*(const|noexcept|override|mutable|->\s*[\w:<>*& ]+|\s)*\{\s*$", head) and \
                        not re.search(r"\b(namespace|class|struct|enum|TEST|TEST_P|TEST_F)\b", head):
                    yield began, number - began + 1


def check_lengths():
    """100 columns, 800 lines a file, 70 lines a function."""
    for path in sources():
        text = path.read_text()
        lines = text.splitlines()
        if len(lines) > FILE_LINES_MAX:
            yield f"{rel(path)}: {len(lines)} lines; split it ({FILE_LINES_MAX} at most)"
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_MAX and "http" not in line and "NOLINT" not in line:
                yield f"{rel(path)}:{number}: {len(line)} columns ({LINE_MAX} at most)"
        for began, length in functions(text):
            if length > FUNCTION_LINES_MAX:
                yield f"{rel(path)}:{began}: a function of {length} lines ({FUNCTION_LINES_MAX} at most)"


def check_heads():
    """Every source file says under which licence it is; headers have one guard form."""
    for path in sources():
        text = path.read_text()
        if not text.startswith("// SPDX-License-Identifier: Apache-2.0\n"):
            yield f"{rel(path)}: the first line must be the SPDX line"
        if path.suffix == ".h" and "#pragma once" not in text:
            yield f"{rel(path)}: a header needs #pragma once"


def check_words():
    """No leftover notes to oneself, no machine paths."""
    for path in sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                yield f"{rel(path)}:{number}: finish it, or write the reason into the documentation"
            if re.search(r'"/(home|root|tmp)/', line):
                yield f"{rel(path)}:{number}: a machine's path"


def run_parallel(function, items, workers=2):
    with ThreadPoolExecutor(workers) as pool:
        for result in pool.map(function, items):
            if result:
                yield result


def check_headers():
    """Every header compiles alone."""
    def one(path):
        done = subprocess.run(["g++", "-std=c++20", "-fsyntax-only", f"-I{SRC}", "-x", "c++", "-DASIO_STANDALONE", "-"],
                              input=f'#include "{path.relative_to(SRC)}"\n', text=True, capture_output=True)
        return f"{rel(path)}: does not compile alone: {done.stderr.splitlines()[0]}" if done.returncode else None

    def proven_by_the_build(path):
        """Its own .cc includes it before anything else."""
        for source in (path.with_suffix(".cc"), path.with_name(path.stem + "_test.cc")):
            first = re.search(r'^#include (.*)$', source.read_text(), re.M) if source.exists() else None
            if first and first[1] == f'"{path.relative_to(SRC)}"':
                return True
        return False
    yield from run_parallel(one, [path for path in sorted(SRC.rglob("*.h")) if not proven_by_the_build(path)])


def check_format():
    """clang-format has nothing to change."""
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, sources())], text=True, capture_output=True)
    for line in done.stderr.splitlines():
        if "error:" in line:
            yield line.replace(str(ROOT) + "/", "")


CHECKS = {name[6:]: function for name, function in sorted(globals().items()) if name.startswith("check_")}


def main(words):
    if "--list" in words:
        for name, function in CHECKS.items():
            print(f"{name:10} {function.__doc__}")
        return 0
    failed = passed = 0
    for name in words or CHECKS:
        complaints = list(CHECKS[name]())
        print(f"lint {name}: " + ("ok" if not complaints else f"{len(complaints)} complaints"), flush=True)
        for complaint in complaints[:40]:
            print("  " + complaint)
        failed += bool(complaints)
        passed += not complaints
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
