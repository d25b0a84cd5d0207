#!/bin/sh
# SPDX-License-Identifier: MIT
# What the SIGBUS handler's object needs from elsewhere must be async-signal-safe.
#
#     handler_symbols.sh OBJECT          fails, with names, if it needs more
#     handler_symbols.sh --reject OBJECT fails if that object passes

# All in signal-safety(7) but mmap, madvise and syscall, which are system calls and no
# more; the last two are errno and, on i686, the address of the GOT.
allowed='mmap madvise syscall memcpy memset write sigaction raise pthread_sigmask sigemptyset
sigaddset
__errno_location _GLOBAL_OFFSET_TABLE_'

reject=
if [ "$1" = --reject ]; then
	reject=yes
	shift
fi
[ -r "$1" ] || {
	echo "no object: $1" >&2
	exit 1
}
needs=$(nm -u "$1" | awk '{ print $NF }') || exit 1
[ -n "$needs" ] || {
	echo "$1 needs nothing at all: that is no handler" >&2
	exit 1
}
bad=
for symbol in $needs; do
	case " $(echo $allowed) " in
	*" $symbol "*) ;;
	*) bad="$bad $symbol" ;;
	esac
done
if [ -n "$reject" ]; then
	[ -n "$bad" ] || {
		echo "$1 passes, and should not" >&2
		exit 1
	}
	echo "rejected for:$bad"
	exit 0
fi
[ -z "$bad" ] || {
	echo "not async-signal-safe in $1:$bad" >&2
	exit 1
}
