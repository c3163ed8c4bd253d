/* command.h -- the command line. Data goes to stdout, messages to stderr; exit status 0 ok, 1 failure, 2
 * usage, 3 no daemon, 78 bad configuration. */
#pragma once

int command_main(int argc, char **argv);
