# SPDX-License-Identifier: MIT
# One guest, from power on to its last line. Sourced by scripts/vm, which sets
# boot_dir (private; receives the logs and the QMP socket), kernel, initrd,
# timeout, processors (single, or empty) and the arrays suite_qemu_args and
# extra_qemu_args, and defines emit for the guest's lines.
# shellcheck shell=bash

qemu=qemu-system-x86_64
qemu_pid=

# A guest that is not up by then was lost by QEMU; Debian's kernel takes ten
# seconds on an idle machine, and machines are not always idle.
boot_timeout=120

# What the kernel prints when it is broken. A test that passed meanwhile proves
# nothing.
kernel_complaint='BUG:|Oops:|kernel BUG at|Kernel panic|WARNING: .* at '

# Time means little under emulation on a busy machine: watchdogs that measure
# it are switched off, so that what they say cannot fail a run. The driver for hot-plug
# of conventional bridges would take the one of the two e1000e, and their group with it.
kernel_arguments=(console=ttyS0 loglevel=7 printk.time=1 panic=-1 oops=panic
	intel_iommu=on vfio_pci.enable_sriov=1
	initcall_blacklist=shpcd_init
	tsc=reliable no_timer_check nosoftlockup nowatchdog rcupdate.rcu_cpu_stall_suppress=1)

# Without eim=on some boots end in an assertion of QEMU. Ports slower than
# x-speed=5 never report their link as active after a bus reset. The two e1000e
# share one IOMMU group, as functions behind a conventional bridge must. Without
# boot ROMs on the network cards the firmware needs six seconds less. With hot plug
# by ACPI the ports would not have slots that the guest's own driver works.
machine=(-M q35 -cpu qemu64,+x2apic -m 512 -smp 2
	-display none -nodefaults -no-reboot
	-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off
	-device intel-iommu,intremap=on,eim=on
	-device edu,id=edu0
	-device bochs-display,id=display0
	-device pcie-pci-bridge,id=bridge0
	-device e1000e,id=nic0,bus=bridge0,romfile=,addr=1.0,multifunction=on
	-device e1000e,id=nic1,bus=bridge0,romfile=,addr=1.1
	-device pcie-root-port,id=port0,chassis=1,slot=1,x-speed=5
	-device igb,id=igb0,bus=port0,romfile=
	-device pcie-root-port,id=port1,chassis=2,slot=2,x-speed=5
	-device nvme,id=nvme0,bus=port1,serial=vfiosafe,cmb_size_mb=4)

# QEMU must not outlive this script, not even if a test runner kills it.
start_qemu()
{
	host_open
	exec {guest_fd}< <(exec setpriv --pdeathsig KILL "$qemu" \
		-accel "tcg${processors:+,thread=$processors}" "${machine[@]}" \
		-kernel "$kernel" -initrd "$initrd" \
		-append "${kernel_arguments[*]}" \
		-serial "file:$boot_dir/console.log" -serial stdio \
		-qmp "unix:$boot_dir/qmp,server=on,wait=off" \
		-chardev "pipe,id=host,path=$boot_dir/monitor" \
		-mon chardev=host,mode=control \
		"${suite_qemu_args[@]}" "${extra_qemu_args[@]}" \
		<>"$boot_dir/answers" 2>"$boot_dir/qemu.log")
	qemu_pid=$!
}

stop_qemu()
{
	[ -n "$qemu_pid" ] || return 0
	kill -KILL "$qemu_pid" 2>/dev/null || true
	wait "$qemu_pid" 2>/dev/null || true
	qemu_pid=
}

# Reads the next line of the guest into `line`; fails with a status above 128
# when the deadline has passed, with 1 when QEMU has ended.
next_line()
{
	local left=$((deadline - SECONDS))

	[ "$left" -gt 0 ] || return 142
	IFS= read -r -t "$left" -u "$guest_fd" line
}

# Sets guest_up, suite_status (empty if the suite did not end) and boot_end.
boot_once()
{
	local line status=0 deadline=$((SECONDS + boot_timeout))

	guest_up='' suite_status='' boot_end='QEMU ended'
	start_qemu
	while true; do
		next_line || status=$?
		[ "$status" -eq 0 ] || break
		line=${line%$'\r'}
		case $line in
		'vm-guest: up'*)
			guest_up=yes
			host_greet
			deadline=$((SECONDS + timeout))
			emit_note "$line"
			;;
		'vm-host: '*)
			# shellcheck disable=SC2086 # words
			host_serve ${line#vm-host: }
			;;
		*'vm-guest: suite exited with status '*)
			suite_status=${line##* }
			# What the suite left without an end of line stands before.
			[ "${line%%vm-guest:*}" = '' ] ||
				emit "${line%vm-guest: suite exited*}"
			emit_note "vm-guest:${line##*vm-guest:}"
			;;
		*) emit "$line" ;;
		esac
	done
	[ "$status" -le 128 ] || boot_end='the time is over'
	stop_qemu
	exec {guest_fd}<&-
	host_close
}

kernel_complained()
{
	grep -qE "$kernel_complaint" "$boot_dir/console.log"
}

show_logs()
{
	say "the last messages of the kernel:"
	tail -n 15 "$boot_dir/console.log" >&2
	grep -v 'has no peer$' "$boot_dir/qemu.log" >&2 || true
}

# A boot that QEMU lost says nothing about the library and is tried again; a
# suite that has begun, or a kernel that has complained, never.
boot()
{
	local attempt

	for attempt in 1 2 3; do
		: >"$boot_dir/console.log"
		boot_once
		[ -z "$guest_up" ] || return 0
		! kernel_complained || return 0
		say "attempt $attempt: the guest did not come up ($boot_end)"
		show_logs
	done
}
