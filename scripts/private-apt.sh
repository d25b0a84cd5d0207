# SPDX-License-Identifier: MIT
# A private apt configuration for suites that the machine does not use, so that
# /etc/apt and /var/lib/apt/lists stay exactly as they were. Source lib.sh
# first.
# shellcheck shell=bash

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror this machine already trusts, asked of apt itself: it reads
# deb822 and one-line sources alike. A mirror of the release carries all
# backports too; security and updates may live elsewhere, hence the exact suite.
debian_mirror()
{
	local codename mirror

	codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
	mirror=$(apt-get --print-uris update 2>/dev/null |
		sed -nE "s#^'(.*)/dists/($codename|(old)*stable)/InRelease'.*#\1#p" |
		head -n 1)
	[ -n "$mirror" ] || die "no source of the suite '$codename' found in" \
		"the apt sources of this machine"
	printf '%s\n' "$mirror"
}

# private_apt_setup NAME SUITE...: makes configuration NAME with these suites
# of the machine's mirror. Commands find it through private_apt.
private_apt_setup()
{
	local name=$1 mirror suite
	shift

	private_apt_dir="$(cache_dir)/apt/$name"
	rm -rf "$private_apt_dir/sources.d"
	mkdir -p "$private_apt_dir/sources.d" "$private_apt_dir/lists/partial" \
		"$private_apt_dir/cache/archives/partial"
	mirror=$(debian_mirror)
	for suite in "$@"; do
		printf 'deb [signed-by=%s] %s %s main\n' "$debian_keyring" \
			"$mirror" "$suite"
	done >"$private_apt_dir/sources.list"
}

# Lets the configuration read the machine's own sources as well, for packages
# that are to be installed here and not just unpacked.
private_apt_add_machine_sources()
{
	local main parts source

	eval "$(apt-config shell main Dir::Etc::sourcelist/f \
		parts Dir::Etc::sourceparts/d)"
	for source in "$main" "$parts"/*.list "$parts"/*.sources; do
		[ ! -f "$source" ] || ln -s "$(realpath "$source")" \
			"$private_apt_dir/sources.d/machine-${source##*/}"
	done
}

# private_apt COMMAND ARG...: apt-get, apt-cache, ... with that configuration.
# The cache folder is usually closed to apt's sandbox user; without the sandbox
# apt would drop it anyway, with a warning for each file.
private_apt()
{
	local command=$1
	shift

	"$command" -qq \
		-o "Dir::Etc::sourcelist=$private_apt_dir/sources.list" \
		-o "Dir::Etc::sourceparts=$private_apt_dir/sources.d" \
		-o "Dir::State::lists=$private_apt_dir/lists" \
		-o "Dir::Cache=$private_apt_dir/cache" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o Acquire::Languages=none -o Acquire::Retries=3 \
		-o APT::Sandbox::User=root "$@"
}

# A list that could not be fetched must be an error here, not a warning: the
# next command would otherwise work on an old list, or on none.
private_apt_update()
{
	private_apt apt-get -o APT::Update::Error-Mode=any update >&2 ||
		die "cannot fetch the package lists named in" \
			"$private_apt_dir/sources.list:" \
			"$(cut -d ' ' -f 3- <"$private_apt_dir/sources.list" |
				paste -s -d ';')"
}

# Downloads PACKAGE and unpacks it below DIR; nothing is installed.
private_apt_unpack()
{
	local package=$1 dir=$2 download

	download=$(mktemp -d "$dir/download.XXXXXX")
	(cd "$download" && private_apt apt-get download "$package" >&2) ||
		die "cannot fetch the package $package from" \
			"$(cut -d ' ' -f 3- <"$private_apt_dir/sources.list")"
	dpkg -x "$download"/*.deb "$dir"
	rm -rf "$download"
}
