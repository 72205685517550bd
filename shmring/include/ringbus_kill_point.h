/*
 * Places at which a test kills the process, to see what the others make of it. Only in builds with
 * -DRINGBUS_KILL_POINTS; otherwise a point is nothing at all.
 *
 * The environment variable RINGBUS_KILL_POINT names one, as `broker:sealed` or, for its third hit,
 * `broker:sealed:3`; a hit raises SIGKILL, as abruptly as `kill -9`.
 */
#ifndef RINGBUS_KILL_POINT_H
#define RINGBUS_KILL_POINT_H

#ifdef RINGBUS_KILL_POINTS
#ifdef __cplusplus
extern "C" {
#endif
void ringbus_kill_point(const char *name);
#ifdef __cplusplus
}
#endif
#else
#define ringbus_kill_point(name) ((void)0)
#endif

#endif
