// SPDX-License-Identifier: GPL-2.0
/* A service whose answer to a visitor is serve() of the student:  service PORT */
#include "frame.h"
#include "socket.h"

int main(int argc, char **argv)
{
	int listener = lab_listen(argv[argc - 1], "64");

	for (;;)
		serve(lab_accept(listener));
}
