/* version.h -- the version of this build. It stands in the file VERSION alone; the Makefile passes it on. */
#pragma once

#ifndef SALLYPORT_VERSION
#error "compile with -DSALLYPORT_VERSION=..., as the Makefile does"
#endif
