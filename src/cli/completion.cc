// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace anyswan::cli {

namespace {

/// One `case` line per command: the words that may follow it.
void describe(const CLI::App& app, const std::string& path, std::string& cases) {
    std::string words;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        words += sub->get_name() + " ";
        describe(*sub, path + " " + sub->get_name(), cases);
    }
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            words += "--" + name + " ";
        }
    }
    cases += "    \"" + path + "\") words=\"" + words + "\" ;;\n";
}

}  // namespace

int print_bash_completion(const CLI::App& app) {
    std::string cases;
    describe(app, "anyswan", cases);
    std::printf(
        "_anyswan() {\n"
        "  local path=anyswan word words=\"\" i\n"
        "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "    word=${COMP_WORDS[i]}\n"
        "    [[ $word == -* ]] || path=\"$path $word\"\n"
        "  done\n"
        "  case $path in\n%s  esac\n"
        "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
        "  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "
        "\"${COMP_WORDS[COMP_CWORD]}\"))\n"
        "}\n"
        "complete -F _anyswan anyswan\n",
        cases.c_str());
    return 0;
}

}  // namespace anyswan::cli
