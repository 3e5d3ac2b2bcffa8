#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# far: machine 2, on which machine 1 runs commands.
# shellcheck source=machine.bash source-path=SCRIPTDIR
. /xtcp/drivers/machine.bash

machine_up 2
machine_serve
