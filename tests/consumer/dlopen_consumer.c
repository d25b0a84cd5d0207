/* SPDX-License-Identifier: MIT */
/*
 * A program that loads the library while it runs, as a plugin or a language
 * binding does: nothing of it is linked in, not even the inline functions.
 *
 *      dlopen_consumer LIBVFIOSAFE LIBVFIOSAFE_SIM
 *
 * A thread uses the library, the libraries are closed, then the thread ends:
 * what the library runs at the end of a thread must still be there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#define TIMEOUT_MS 5000

/* Every symbol that this program calls: library and name. */
#define SYMBOLS(X)                                                                       \
	X(lib, vfiosafe_version)                                                         \
	X(lib, vfiosafe_error_text)                                                      \
	X(lib, vfiosafe_device_from_fd)                                                  \
	X(lib, vfiosafe_device_close)                                                    \
	X(lib, vfiosafe_bar_map)                                                         \
	X(lib, vfiosafe_bar_view)                                                        \
	X(lib, vfiosafe_read32)                                                          \
	X(lib, vfiosafe_reset)                                                           \
	X(lib, vfiosafe_begin)                                                           \
	X(lib, vfiosafe_ptr)                                                             \
	X(lib, vfiosafe_check)                                                           \
	X(lib, vfiosafe_end)                                                             \
	X(sim, vfiosafe_sim_open)                                                        \
	X(sim, vfiosafe_sim_close)                                                       \
	X(sim, vfiosafe_sim_sys)                                                         \
	X(sim, vfiosafe_sim_device_fd)

static struct {
	void *lib;
	void *sim;
#define MEMBER(handle, name) __typeof__(&name) name;
	SYMBOLS(MEMBER)
} dl;

static struct {
	sem_t used;
	sem_t closed;
	int status;
} worker = { .status = 1 };

static int failed(const char *what, int rc)
{
	fprintf(stderr, "%s: %s (%s)\n", what, strerror(-rc), dl.vfiosafe_error_text());
	return 1;
}

static void *symbol(void *handle, const char *name)
{
	void *address = dlsym(handle, name);

	if (!address) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return address;
}

static void *load(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return handle;
}

static void load_all(const char *lib, const char *sim)
{
	dl.lib = load(lib);
	dl.sim = load(sim);
	/* POSIX lets a function's address come back as a void pointer. */
#define LOOK_UP(handle, name) *(void **)&dl.name = symbol(dl.handle, #name);
	SYMBOLS(LOOK_UP)
}

static int read_id(struct vfiosafe_bar *bar)
{
	struct vfiosafe_section sec;
	struct vfiosafe_view view;
	uint32_t by_call = 0;
	uint32_t by_pointer;
	int rc = dl.vfiosafe_bar_view(bar, &view);

	if (rc == 0)
		rc = dl.vfiosafe_read32(&view, VFIOSAFE_SIM_REG_ID, &by_call);
	if (rc == 0)
		rc = dl.vfiosafe_begin(&view, &sec);
	if (rc < 0)
		return failed("read the id", rc);
	by_pointer = *(volatile uint32_t *)dl.vfiosafe_ptr(&sec);
	if (dl.vfiosafe_check(&sec) < 0)
		return failed("check", -EIO);
	rc = dl.vfiosafe_end(&sec);
	if (rc < 0)
		return failed("end", rc);
	if (by_call != VFIOSAFE_SIM_ID || by_pointer != VFIOSAFE_SIM_ID)
		return failed("the id", -EBADMSG);
	return 0;
}

static int use(struct vfiosafe_sim *sim)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	int status = 1;
	int rc;

	opts.sys = dl.vfiosafe_sim_sys(sim);
	rc = dl.vfiosafe_device_from_fd(&dev, dl.vfiosafe_sim_device_fd(sim), &opts);
	if (rc < 0)
		return failed("open the device", rc);
	rc = dl.vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0);
	if (rc == 0)
		status = read_id(bar);
	if (rc == 0 && status == 0)
		rc = dl.vfiosafe_reset(dev, NULL);
	if (rc < 0)
		status = failed("map or reset", rc);
	else if (status == 0)
		status = read_id(bar);
	rc = dl.vfiosafe_device_close(dev, TIMEOUT_MS);
	return rc < 0 ? failed("close the device", rc) : status;
}

static void *work(void *arg)
{
	struct vfiosafe_sim *sim;
	int rc = dl.vfiosafe_sim_open(&sim, "sim:reg", NULL);

	(void)arg;
	if (rc < 0) {
		failed("open the simulation", rc);
	} else {
		worker.status = use(sim);
		dl.vfiosafe_sim_close(sim);
	}
	sem_post(&worker.used);
	while (sem_wait(&worker.closed) < 0)
		;
	return NULL; /* the library's part of the end runs now */
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 3) {
		fprintf(stderr, "usage: %s LIBVFIOSAFE LIBVFIOSAFE_SIM\n", argv[0]);
		return 2;
	}
	load_all(argv[1], argv[2]);
	if (strcmp(dl.vfiosafe_version(), VFIOSAFE_VERSION_STRING) != 0)
		return failed("library and headers differ in version", -EINVAL);
	sem_init(&worker.used, 0, 0);
	sem_init(&worker.closed, 0, 0);
	if (pthread_create(&thread, NULL, work, NULL) != 0)
		return 1;
	while (sem_wait(&worker.used) < 0)
		;
	if (dlclose(dl.sim) != 0 || dlclose(dl.lib) != 0) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	sem_post(&worker.closed);
	pthread_join(thread, NULL);
	return worker.status;
}
