// SPDX-License-Identifier: GPL-2.0
/*
 * packetdrill: the packet scripts beside this program, *.pkt, each a test of its own;
 * or those named on the command line. lib/script.h has the language.
 */
/* vm: wires */
#include "lib/xtcp_test.h"

#include <dirent.h>
#include <libgen.h>

#include "lib/script.h"

FIXTURE(script) {
	struct peer peer;
};

FIXTURE_VARIANT(script) {
	const char *path;
	bool foreign;		/* a script of other people, which may leave segments unread */
};

/* Is it a script of `xtcp record`? */
static bool script_is_recorded(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "--recorded");
	if (f)
		fclose(f);
	return found;
}

FIXTURE_SETUP(script)
{
	/*
	 * packetdrill's own device takes large segments. A recorded script may show small
	 * ones where another stack would send a large one.
	 */
	peer_open_at(WHERE(_metadata), &self->peer, &(struct peer_setup){
		     .offload = variant->foreign && !script_is_recorded(variant->path) });
	/* Its own port, too: scripts look for it in files. */
	if (variant->foreign)
		self->peer.kport = 8080;
}

FIXTURE_TEARDOWN(script)
{
	peer_close_at(WHERE(_metadata), &self->peer);
}

TEST_F(script, holds)
{
	self->peer.leave_unread = self->peer.stock_may_speak = variant->foreign;
	script_run(&self->peer, variant->path);
}

/* A test is called what its file is called. */
static void script_add(const char *path, bool foreign)
{
	struct __fixture_variant_metadata *variant = calloc(1, sizeof(*variant));
	FIXTURE_VARIANT(script) *data = calloc(1, sizeof(*data));
	char *name = strdup(path);
	char *base = basename(name);

	base[strcspn(base, ".")] = '\0';
	for (char *c = base; *c; c++)
		if (*c == '-')
			*c = '_';
	data->path = strdup(path);
	data->foreign = foreign;
	variant->name = base;
	variant->data = data;
	__register_fixture_variant(&_script_fixture_object, variant);
}

static int is_script(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 4 && !strcmp(entry->d_name + len - 4, ".pkt");
}

static int scripts_add(const char *folder)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int n = scandir(folder, &entries, is_script, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		script_add(path, false);
	}
	return n;
}

/* Where this program is, or where its source is. */
static const char *scripts_folder(const char *program)
{
	static char folder[PATH_MAX];
	char path[2 * PATH_MAX], bin[PATH_MAX];

	snprintf(path, sizeof(path), "%s", program);
	if (!realpath(dirname(path), folder))
		return ".";
	snprintf(path, sizeof(path), "%s/bin", folder);
	if (access(path, X_OK)) {
		snprintf(path, sizeof(path), "%s/../../../selftests/script/bin", folder);
		if (!realpath(path, bin))
			return folder;
		snprintf(path, sizeof(path), "%s", bin);
		snprintf(folder, sizeof(folder), "%s", dirname(path));
	}
	snprintf(path, sizeof(path), "%s/bin", folder);
	setenv("XTCP_SCRIPT_BIN", path, 1);
	return folder;
}

int main(int argc, char **argv)
{
	const char *folder = scripts_folder(argv[0]);
	int named = argc;

	while (named > 1 && strstr(argv[named - 1], ".pkt"))
		script_add(argv[--named], true);
	if (named == argc && scripts_add(folder) < 1)
		return KSFT_FAIL;
	return test_harness_run(named, argv);
}
