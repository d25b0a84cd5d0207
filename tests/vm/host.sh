# SPDX-License-Identifier: MIT
# What the guest may ask of its host: a line "vm-host: ACTION..." on the suite's
# serial line is carried out through QEMU's monitor, and answered on the same line
# by "ok" or "error WHY". Sourced by scripts/vm beside boot.sh.
# shellcheck shell=bash

# A monitor that is silent for so many seconds hangs.
host_timeout=60

# Two FIFOs for the monitor, one that is QEMU's standard input. All of them are
# opened for both directions, so that nobody waits for the other side to come.
host_open()
{
	local name

	for name in monitor.in monitor.out answers; do
		rm -f "$boot_dir/$name"
		mkfifo "$boot_dir/$name"
	done
	exec {monitor_in}<>"$boot_dir/monitor.in" \
		{monitor_out}<>"$boot_dir/monitor.out" {answers}<>"$boot_dir/answers"
}

host_close()
{
	exec {monitor_in}>&- {monitor_out}<&- {answers}>&-
}

# Reads the monitor's next line into `reply`.
host_read()
{
	IFS= read -r -t "$host_timeout" -u "$monitor_out" reply && return
	reply='the monitor is silent'
	return 1
}

# host_execute JSON: the answer goes into `reply`.
host_execute()
{
	printf '%s\n' "$1" >&"$monitor_in"
	while host_read; do
		case $reply in
		*'"return"'*) return 0 ;;
		*'"error"'*) return 1 ;;
		esac
	done
	return 1
}

# A monitor obeys only after this.
host_greet()
{
	local reply

	host_execute '{"execute": "qmp_capabilities"}' || say "monitor: $reply"
}

# host_monitor LINE: a line of the monitor for humans, whose syntax is that of the
# command line. What it prints goes into `reply`; as a rule that is an error.
host_monitor()
{
	host_execute "{\"execute\": \"human-monitor-command\",
		\"arguments\": {\"command-line\": \"$1\"}}" || return 1
	reply=${reply#*\"return\": \"}
	reply=${reply%%\\r*}
	reply=${reply%\"*}
	[ -z "$reply" ]
}

# Prints the arguments with which the machine's device of this id was started.
host_device()
{
	local i

	for ((i = 1; i < ${#machine[@]}; i++)); do
		if [[ ${machine[i - 1]} == -device && ${machine[i]}, == *,id=$1,* ]]; then
			printf '%s' "${machine[i]}"
			return
		fi
	done
	return 1
}

# Has it left its slot? QEMU says so in an event too, but only when the last of what
# refers to it has ended, which may take minutes.
host_has()
{
	host_execute '{"execute": "qom-list", "arguments": {"path": "/machine/peripheral"}}' &&
		[[ $reply == *"\"name\": \"$1\""* ]]
}

# host_add ID: into its slot again, once it has left it.
host_add()
{
	local device deadline=$((SECONDS + host_timeout))

	device=$(host_device "$1") || {
		reply="the machine has no device $1"
		return 1
	}
	while host_has "$1"; do
		[ "$SECONDS" -lt "$deadline" ] || {
			reply="$1 is in its slot"
			return 1
		}
		sleep 0.1
	done
	host_monitor "device_add $device"
}

# host_digest NAME SHA256: is a picture that was kept this one?
host_digest()
{
	local is

	is=$(sha256sum "$boot_dir/$1.ppm" 2>&1) && is=${is%% *}
	reply="it is $is"
	[ "$is" = "$2" ]
}

host_action()
{
	case "$# $1" in
	'3 aer')
		host_monitor "pcie_aer_inject_error $2 $3" || [[ $reply == 'OK id:'* ]]
		;;
	'2 remove') host_monitor "device_del $2" ;;
	'2 add') host_add "$2" ;;
	'2 screendump') host_monitor "screendump $boot_dir/$2.ppm display0" ;;
	'3 screendump') host_monitor "screendump $boot_dir/$2.ppm $3" ;;
	'3 digest') host_digest "$2" "$3" ;;
	*)
		reply="no such action: $*"
		return 1
		;;
	esac
}

# host_serve ACTION WORD...: nothing but plain words reaches the monitor.
host_serve()
{
	local reply='not made of plain words'

	if [[ $* =~ ^[A-Za-z0-9_\ -]+$ ]] && host_action "$@"; then
		printf 'ok\n' >&"$answers"
	else
		printf 'error %s\n' "$reply" >&"$answers"
	fi
}
