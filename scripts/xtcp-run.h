/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xtcp-run.h - what the launcher's two files and its library share: names in the environment,
 * and the version
 */
#ifndef XTCP_RUN_H
#define XTCP_RUN_H

#define XTCP_RUN_VERSION	"0.2.0"			/* see dkms.conf */

#define XTCP_RUN_WIRE		"XTCP_RUN_WIRE"		/* tcp or native */
#define XTCP_RUN_ROLE		"XTCP_RUN_ROLE"		/* listen or connect: only these */
#define XTCP_RUN_PORTS		"XTCP_RUN_PORTS"	/* only these, with commas between */
#define XTCP_RUN_AS_TCP		"XTCP_RUN_AS_TCP"	/* 1 */
#define XTCP_RUN_VERBOSE	"XTCP_RUN_VERBOSE"	/* 1 */
#define XTCP_RUN_LIBRARY	"XTCP_RUN_LIBRARY"	/* path: the launcher was here */

#define XTCP_RUN_PORTS_LEN	512	/* bytes of that list */

/**
 * xtcp_run_in_cgroup - move this process to a cgroup of its own whose TCP is xtcp's
 *
 * Return: 0, or -1 after it printed why not
 */
int xtcp_run_in_cgroup(void);

#endif /* XTCP_RUN_H */
