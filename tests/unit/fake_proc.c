/* SPDX-License-Identifier: MIT */
/* Processes, as far as /proc tells of them. */
#include <stdio.h>

#include "fake_parts.h"

void fake_process(struct fake *fake, int pid, const char *comm)
{
	fake_put(fake, FAKE_DIR, "", "/proc/%d", pid);
	fake_put(fake, FAKE_TEXT, comm, "/proc/%d/comm", pid);
	fake_put(fake, FAKE_DIR, "", "/proc/%d/fd", pid);
}

void fake_process_fd(struct fake *fake, int pid, int fd, const char *target)
{
	fake_put(fake, FAKE_LINK, target, "/proc/%d/fd/%d", pid, fd);
}

/* The file of "[vfio-device]"; what kernels that do not name the device say is less. */
void fake_process_device(struct fake *fake, int pid, int fd, const char *address)
{
	char text[192];

	fake_process_fd(fake, pid, fd, "anon_inode:[vfio-device]");
	snprintf(text, sizeof(text),
		 "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t9\n%s%s%s",
		 address ? "vfio-device-syspath: /sys/devices/pci0000:00/" : "",
		 address ? address : "", address ? "\n" : "");
	fake_put(fake, FAKE_TEXT, text, "/proc/%d/fdinfo/%d", pid, fd);
}

void fake_processes_start(struct fake *fake)
{
	char self[16];

	snprintf(self, sizeof(self), "%d", FAKE_PID);
	fake_put(fake, FAKE_LINK, self, "/proc/self");
	fake_put(fake, FAKE_TEXT, "4.2 0.1", "/proc/loadavg");
	fake_process(fake, 1, "init");
	fake_process(fake, FAKE_PID, "test");
}
