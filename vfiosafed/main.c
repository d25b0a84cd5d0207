/* SPDX-License-Identifier: MIT */
/*
 * vfiosafed - owns VFIO devices, and gives unprivileged processes the parts of them that a
 * policy says. docs/broker.md.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <vfiosafe/sys.h>

#include "broker.h"

struct options {
	const char *policy;
	const char *socket_dir;
	bool check;
};

static const char usage[] =
	"usage: vfiosafed --policy FILE [--socket-dir DIR] [--check]\n"
	"  --policy FILE      who may have what\n"
	"  --socket-dir DIR   where the sockets are made, DIR/DEVICE.sock; not needed for\n"
	"                     those that are inherited from systemd\n"
	"  --check            read the policy, open nothing; 0 if it is good\n";

/* 0; 1: done; 2: wrong. */
static int parse(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "socket-dir", required_argument, NULL, 's' },
		{ "check", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (c == 'p')
			options->policy = optarg;
		else if (c == 's')
			options->socket_dir = optarg;
		else if (c == 'c')
			options->check = true;
		else if (c == 'h')
			return fputs(usage, stdout), 1;
		else if (c == 'v')
			return printf("vfiosafed %s\n", VFIOSAFE_VERSION_STRING), 1;
		else
			return fputs(usage, stderr), 2;
	}
	if (options->policy && optind == argc)
		return 0;
	return fputs(usage, stderr), 2;
}

static int read_policy(struct policy *policy, const char *file)
{
	char quoted[LOG_QUOTED];
	int rc = policy_read(policy, file);

	if (rc == 0)
		rc = spaces_check(policy, vfiosafe_sys_default());
	if (rc < 0)
		log_event(LOG_ERR, "bad-policy", "text=%s", log_quote(quoted, policy->error));
	return rc;
}

/* From here on they come by the fd, also while a device is opened. */
static int open_signals(struct broker *broker)
{
	sigset_t set;

	/* Who reads its log may go: that is no reason to take the devices away. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	broker->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return broker->signal_fd < 0 ? -errno : vfiosafe_sigbus_install();
}

/* What was asked for is answered; then each is told, and hung up on. */
static void end(struct broker *broker)
{
	notify("STOPPING=1");
	for (unsigned int i = 0; broker->device && i < broker->policy.devices; i++) {
		socket_close(&broker->device[i]);
		device_settle(broker, &broker->device[i]);
	}
	/* The first of an IOMMU context last. */
	for (unsigned int i = broker->policy.devices; broker->device && i-- > 0;)
		device_close(broker, &broker->device[i]);
	free(broker->device);
	policy_free(&broker->policy);
	if (broker->signal_fd >= 0)
		close(broker->signal_fd);
}

static int start(struct broker *broker, const struct options *options)
{
	int rc = open_signals(broker);

	if (rc == 0)
		rc = devices_open(broker);
	if (rc == 0)
		rc = sockets_open(broker, options->socket_dir);
	if (rc < 0)
		return rc;
	log_event(LOG_INFO, "ready", "devices=%u clients=%u", broker->policy.devices,
		  broker->policy.clients);
	notify("READY=1");
	broker_run(broker);
	return 0;
}

int main(int argc, char **argv)
{
	struct broker broker = { .signal_fd = -1 };
	struct options options = { 0 };
	int rc = parse(&options, argc, argv);

	if (rc != 0)
		return rc == 1 ? 0 : 2;
	log_library();
	rc = read_policy(&broker.policy, options.policy);
	if (rc == 0 && !options.check)
		rc = start(&broker, &options);
	end(&broker);
	log_event(LOG_INFO, "exit", "result=%d", rc);
	return rc < 0 ? 1 : 0;
}
