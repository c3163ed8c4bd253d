/* version.h -- what this build calls itself; the Makefile gives it from the file VERSION. */
#pragma once

#ifndef SALLYPORT_VERSION
#define SALLYPORT_VERSION "0.1.0"
#endif
