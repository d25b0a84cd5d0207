/* SPDX-License-Identifier: MIT */
/*
 * gpu [--raw] [--resets N] [--door cdev|group] [--trusted|--calls] [--pause MS]
 *     [--sibling ADDRESS] [--engine ADDRESS] [--look COMMAND] DEVICE
 * gpu --reference FILE [band]
 *
 * DEVICE is a PCI address, or "sim". --sibling, --engine, --look: see bed.h. --trusted: the
 * second process gets the device fd; --calls: no mapping at all. --pause: between two
 * frames. --raw: the same by hand, with one reset. --reference: writes the picture.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "job.h"
#include "painter.h"

static int usage(void)
{
	fprintf(stderr, "usage: gpu [--raw] [--resets N] [--door cdev|group] [--trusted|--calls]\n"
			"           [--pause MS] [--sibling ADDRESS] [--engine ADDRESS]\n"
			"           [--look COMMAND] DEVICE\n"
			"       gpu --reference FILE [band]\n");
	return 2;
}

/* The value of an option, of which argv[*i] is the name; NULL: it is another. */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
	if (strcmp(argv[*i], name) != 0 || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

static enum vfiosafe_door door_named(const char *name)
{
	return strcmp(name, "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP;
}

static bool parse(int argc, char **argv, struct bed_options *bed, struct job_options *job,
		  bool *raw)
{
	const char *value;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--raw") == 0)
			*raw = true;
		else if (strcmp(argv[i], "--trusted") == 0)
			job->rights = VFIOSAFE_GRANT_DEVICE_FD;
		else if (strcmp(argv[i], "--calls") == 0)
			job->rights = VFIOSAFE_GRANT_CALLS_ONLY;
		else if ((value = value_of("--pause", argc, argv, &i)))
			job->pause_ms = (uint32_t)strtoul(value, NULL, 10);
		else if ((value = value_of("--resets", argc, argv, &i)))
			job->resets = (unsigned int)strtoul(value, NULL, 10);
		else if ((value = value_of("--door", argc, argv, &i)))
			bed->door = door_named(value);
		else if ((value = value_of("--sibling", argc, argv, &i)))
			bed->sibling = value;
		else if ((value = value_of("--engine", argc, argv, &i)))
			bed->engine = value;
		else if ((value = value_of("--look", argc, argv, &i)))
			bed->look = value;
		else if (argv[i][0] == '-' || bed->device)
			return false;
		else
			bed->device = argv[i];
	}
	return bed->device && (bed->look || strcmp(bed->device, "sim") == 0);
}

int main(int argc, char **argv)
{
	struct picture picture = { .width = 640, .height = 480 };
	struct job_options job = { .resets = 20 };
	struct bed_options options = { 0 };
	bool raw = false;
	struct bed bed;
	int rc;

	if (argc == 6 && strcmp(argv[1], "--paint") == 0)
		return painter_main(argv);
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "--reference") == 0) {
		picture.band = argc == 4 ? BED_BAND : 0;
		return picture_write(&picture, argv[2]) < 0;
	}
	if (!parse(argc, argv, &options, &job, &raw))
		return usage();
	rc = bed_open(&bed, &options);
	if (rc < 0)
		fprintf(stderr, "gpu: %s: %s\n", options.device, vfiosafe_error_text());
	else
		rc = raw ? job_raw(&bed) : job_guarded(&bed, &job);
	bed_close(&bed);
	return rc < 0;
}
