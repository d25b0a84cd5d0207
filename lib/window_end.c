/* SPDX-License-Identifier: MIT */
/* The end of the handle of a window, however far that has come. */
#include <errno.h>
#include <stdlib.h>

#include "device.h"
#include "epoch.h"
#include "error.h"
#include "log.h"
#include "window.h"

static void end_lead(struct vsf_run *run)
{
	if (run->phase < VSF_PHASE_COMMITTED)
		(void)vsf_run_call_off(run, ECANCELED, "the window was ended");
	else if (run->phase < VSF_PHASE_OVER)
		(void)vsf_run_fault(run, VFIOSAFE_CAUSE_DRIVER,
				    "the window was ended between commit and finish");
}

void vsf_window_free(struct vfiosafe_window *win)
{
	if (!win)
		return;
	if (win->leads)
		end_lead(win->run);
	vsf_run_put(win->run);
	free(win);
}

VFIOSAFE_API void vfiosafe_window_end(struct vfiosafe_window *win)
{
	/* Its run goes on when the callback returns: it must not be freed under that. */
	if (win && vsf_refuse_inside(win->dev, "vfiosafe_window_end") < 0) {
		/* In a section no code of the program may run. */
		if (vsf_depth() == 0)
			vsf_log(VFIOSAFE_LOG_ERROR, "%s; the window stays",
				vfiosafe_error_text());
		return;
	}
	vsf_window_free(win);
}
