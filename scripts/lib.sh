# SPDX-License-Identifier: MIT
# Shell helpers shared by the scripts here and under tests/vm. Sourced, never
# run; the caller has already said `set -euo pipefail`.
# shellcheck shell=bash

# Messages go to stderr: stdout belongs to results (paths, test lines).
say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	say "error: $*"
	exit 1
}

# Everything that is expensive to fetch or build lives here, outside the tree.
cache_dir()
{
	local dir="${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/vfiosafe"

	mkdir -p "$dir" || die "cannot make the cache folder $dir"
	printf '%s\n' "$dir"
}

# One builder per cache at a time: a second caller waits and then finds the
# work done. The lock is released when the calling shell exits.
cache_lock()
{
	exec {cache_lock_fd}>"$(cache_dir)/$1.lock"
	flock -n "$cache_lock_fd" || {
		say "waiting for another run that holds $1.lock"
		flock "$cache_lock_fd"
	}
}

is_debian()
{
	command -v apt-get >/dev/null && command -v dpkg-query >/dev/null &&
		[ -r /etc/os-release ] &&
		(. /etc/os-release && [ "${ID:-}" = debian ])
}

require_debian()
{
	is_debian || die "this needs Debian and apt; $1"
}

# Prints those of the named packages that are not installed, one a line.
missing_packages()
{
	local package status

	for package in "$@"; do
		status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" \
			2>/dev/null) || status=
		case $status in
		ii*|hi*) ;;
		*) printf '%s\n' "$package" ;;
		esac
	done
}
