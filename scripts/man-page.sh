#!/bin/sh
# man-page.sh PROGRAM > docs/man/toolformer.1.scd: the man page (scdoc) from what the program says of itself.
set -eu
T=$1
commands=$("$T" --help | awk '/^commands:/ {on = 1; next} /^$/ {on = 0} on {print $1}')

# The help of one command as scdoc: usage, text, options as a list, example.
section() {
    "$T" "$@" --help | awk -v name="$*" '
        function escape(s) { gsub(/\\/, "\\\\", s); gsub(/[_*`]/, "\\\\&", s); gsub(/</, "\\<", s); return s }
        /^usage: / { print "## " name "\n"; print "*" escape(substr($0, 8)) "*\n"; next }
        /^common options:$/ { part = "common"; next }
        /^options:$/ { part = "options"; print ""; next }
        /^example:$/ { part = "example"; print "\nExample:\n\n```"; next }
        part == "example" { sub(/^  /, ""); print; next }
        part == "common" { next }
        part == "options" && /^  --/ {
            split(substr($0, 3), words, /   */)
            option = substr($0, 3); help = ""
            if (match(option, /  +/)) { help = substr(option, RSTART + RLENGTH); option = substr(option, 1, RSTART - 1) }
            print "*" escape(option) "*"
            if (help != "") print "\t" escape(help) "\n"
            next
        }
        part == "options" && NF { sub(/^ +/, ""); print "\t" escape($0) "\n"; next }
        part == "" && NF { print escape($0) }
        END { print "```\n" }'
}

cat <<'TEXT'
toolformer(1)

# NAME

toolformer - a language model teaches itself to use tools, and uses them while it writes

# SYNOPSIS

*toolformer* _command_ [options]

# DESCRIPTION

*toolformer* takes a language model as it was downloaded, texts as they lie on disk, and tools. It lets the
model write tool calls into the texts, runs them, keeps those that make the text that follows easier to
predict, and fine-tunes the model on the result. From then on the model calls the tools while it writes.

Results go to stdout, messages and progress to stderr. With *--json* results are JSON, one object a line.

# COMMON OPTIONS

TEXT
"$T" tokenize --help | awk '
    /^common options:$/ { on = 1; next }
    /^$/ { on = 0 }
    on { match($0, /[a-zA-Z]  +/); print "*" substr($0, 3, RSTART - 2) "*\n\t" substr($0, RSTART + RLENGTH) "\n" }'
printf '# COMMANDS\n\n'
for command in $commands; do
    case $command in
    tool | model | index)
        for verb in $("$T" "$command" --help | awk '/^usage:/ {gsub(/\|/, " ", $4); print $4}'); do
            section "$command" "$verb"
        done ;;
    *) section "$command" ;;
    esac
done
cat <<'TEXT'
# ENVIRONMENT

*TOOLFORMER_HOME*
	The folder of models and caches; default _~/.local/share/toolformer_.

*TOOLFORMER_INDEX*
	The index that WikiSearch and QA search, and *index build* writes without --out; default
	_search/wiki.db_ in TOOLFORMER_HOME.

*TFC_CPU*
	The kernel path: ref, avx2, avx512 or amx; default the best that the machine has.

# EXIT STATUS

0 success, 1 failure, 2 wrong usage, 130 interrupted. The first interruption (SIGINT, SIGTERM) stops cleanly:
what was finished is kept, and the same command goes on from there. The second one ends at once.
TEXT
