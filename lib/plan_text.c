/* SPDX-License-Identifier: MIT */
/* A plan in words. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan.h"

/* What is written, and how long it would be with room enough. */
struct text {
	char *buf;
	size_t len, used;
};

static void put(struct text *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *fmt, ...)
{
	size_t room = text->used < text->len ? text->len - text->used : 0;
	va_list ap;

	va_start(ap, fmt);
	text->used +=
		(size_t)vsnprintf(room ? text->buf + text->used : NULL, room, fmt, ap);
	va_end(ap);
}

VFIOSAFE_API const char *vfiosafe_method_name(enum vfiosafe_method method)
{
	switch (method) {
	case VFIOSAFE_METHOD_AUTO:
		return "smallest reset";
	case VFIOSAFE_METHOD_FUNCTION:
		return "function reset";
	case VFIOSAFE_METHOD_HOT:
		return "hot reset";
	case VFIOSAFE_METHOD_NONE:
		return "no reset";
	}
	return "unknown";
}

const char *vsf_plan_owner(const struct vfiosafe_plan_function *f, char *buf, size_t len)
{
	static const char *const names[] = {
		[VFIOSAFE_OWNER_UNKNOWN] = "owner unknown",
		[VFIOSAFE_OWNER_THIS] = "this handle",
		[VFIOSAFE_OWNER_OURS] = "ours",
		[VFIOSAFE_OWNER_KERNEL] = "the kernel",
		[VFIOSAFE_OWNER_UNBOUND] = "nobody",
		[VFIOSAFE_OWNER_FREE] = "open nowhere",
	};

	if (f->owner == VFIOSAFE_OWNER_PROCESS && f->holders == 0)
		snprintf(buf, len,
			 "this process, outside of this handle's IOMMU context");
	else if (f->owner == VFIOSAFE_OWNER_PROCESS)
		snprintf(buf, len, "process %d (%s)", (int)f->pid,
			 f->comm[0] ? f->comm : "?");
	else
		snprintf(buf, len, "%s", names[f->owner]);
	return buf;
}

static void put_function(struct text *text, const struct vfiosafe_plan_function *f)
{
	char who[80];

	put(text, "  %s", f->address[0] ? f->address : "(no address)");
	if (f->role == VFIOSAFE_ROLE_VF)
		put(text, " VF");
	if (f->group >= 0)
		put(text, ", group %d", (int)f->group);
	put(text, ", %s: %s", f->driver[0] ? f->driver : "no driver",
	    vsf_plan_owner(f, who, sizeof(who)));
	if (f->holders > 0 && f->owner != VFIOSAFE_OWNER_PROCESS)
		put(text, ", open in process %d (%s) too", (int)f->pid,
		    f->comm[0] ? f->comm : "?");
	if (f->holders > 1)
		put(text, " and %u more", f->holders - 1);
	put(text, "\n");
}

VFIOSAFE_API size_t vfiosafe_plan_text(const struct vfiosafe_plan *plan, char *buf,
				       size_t len)
{
	struct text text = { .buf = buf, .len = len };

	if (len > 0)
		buf[0] = '\0';
	put(&text, "%s: %s", plan->address[0] ? plan->address : "adopted device",
	    vfiosafe_method_name(plan->method));
	if (plan->methods[0])
		put(&text, " (methods: %s)", plan->methods);
	put(&text, ", %u function%s:\n", plan->function_count,
	    plan->function_count == 1 ? "" : "s");
	for (const struct vfiosafe_plan_function *f = plan->functions; f; f = f->next)
		put_function(&text, f);
	if (plan->unknown[0])
		put(&text, "  not known: %s\n", plan->unknown);
	if (plan->possible)
		put(&text, "  nothing blocks it\n");
	for (const struct vfiosafe_plan_block *b = plan->blocks; b; b = b->next)
		put(&text, "  blocked: %s; way out: %s\n", b->text, b->remedy);
	return text.used;
}
