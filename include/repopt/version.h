/* version.h - the version of these headers. */
#ifndef REPOPT_VERSION_H
#define REPOPT_VERSION_H

#define REP_VERSION "0.1.0"

#endif
