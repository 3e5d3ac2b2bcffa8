// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp_bpf.c - load a congestion control in BPF, or take it away
 *
 *   xtcp_bpf load FILE.bpf.o
 *   xtcp_bpf unload NAME		the map's name
 *
 * It stays when this program ends. Needs libbpf 1.5 (the first that knows struct_ops of
 * modules well is 1.4), root, and the module xtcp_cc_bpf.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int load(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_map *map;

	if (!object || bpf_object__load(object))
		return -errno;
	bpf_object__for_each_map(map, object) {
		struct bpf_link *link;

		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		link = bpf_map__attach_struct_ops(map);
		if (!link)
			return -errno;
		/* Or its end would take the map away. */
		bpf_link__disconnect(link);
		bpf_link__destroy(link);
	}
	bpf_object__close(object);
	return 0;
}

static int unload(const char *name)
{
	struct bpf_map_info info;
	__u32 id = 0, len, zero = 0;
	int fd, err = -ENOENT;

	while (!bpf_map_get_next_id(id, &id)) {
		fd = bpf_map_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (!bpf_map_get_info_by_fd(fd, &info, &len) &&
		    info.type == BPF_MAP_TYPE_STRUCT_OPS && !strcmp(info.name, name) &&
		    !bpf_map_delete_elem(fd, &zero))
			err = 0;
		close(fd);
	}
	return err;
}

int main(int argc, char **argv)
{
	int err = -EINVAL;

	if (argc == 3 && !strcmp(argv[1], "load"))
		err = load(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "unload"))
		err = unload(argv[2]);
	if (err)
		fprintf(stderr, "xtcp_bpf: %s\n", strerror(-err));
	/* The error number, for programs. */
	return -err;
}
