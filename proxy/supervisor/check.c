/* Looking at a configuration without running it. */
#include "base/version.h"
#include "supervisor/dry_run.h"
#include <stdlib.h>

enum { BAD_CONFIGURATION = 78 }; /* EX_CONFIG of sysexits.h */

static struct reload_plan plan_of(const struct run_options *o)
{
	return (struct reload_plan){
		.path = o->config, .files = o->files, .files_len = o->files_len, .pin_file = RELOAD_PIN_FILE
	};
}

struct config *process_config(const struct run_options *o, struct bundle **bundle)
{
	struct reload_plan plan = plan_of(o);
	char *text;

	plan.free_of_pin = true;
	struct config *c = reload_here(&plan, bundle, &text);
	if (text)
		fputs(text, stderr);
	free(text);
	return c;
}

const char *process_version(void)
{
	return SALLYPORT_VERSION;
}

int process_check(const struct run_options *o)
{
	struct dry_run proof = { 0 };
	struct reload_plan plan = plan_of(o);
	struct bundle *bundle = NULL;
	char *text;

	plan.warn = true;
	plan.prove = dry_run;
	plan.with = &proof;
	struct config *c = reload_here(&plan, &bundle, &text);
	if (text)
		fputs(text, stderr);
	free(text);
	int status = c ? 0 : BAD_CONFIGURATION;
	if (c)
		config_free(c);
	if (bundle)
		bundle_close(bundle);
	return status;
}
