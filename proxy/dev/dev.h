/* dev.h -- `sallyport dev`: a whole Sallyport on this machine for trying it out, and `sallyport token mint`.
 *
 * Needs no root, no file, no service: a certificate of a local CA (put into no trust store), an issuer of
 * tokens and an echo upstream on loopback ports, an example configuration from memory. Everything lies in
 * ${XDG_STATE_HOME:-~/.local/state}/sallyport/dev (dev-PORT for another port), mode 0700. Both return an exit
 * status; argv[0] is the command's own name. */
#pragma once

int dev_main(int argc, char **argv);
int dev_token(int argc, char **argv);
