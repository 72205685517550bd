import test from 'ava'
import { filesBelow, readProjectFile } from '../project-files.js'

/**
 * Functions that glibc has given a new symbol since 2.28, by the version that did. A build with a newer glibc takes
 * that symbol, and its addon then does not load on what Node 20 runs on. shmring/core/portable.h has substitutes.
 */
const NEW_SYMBOLS: Record<string, readonly string[]> = {
  '2.30': ['gettid', 'getdents64', 'tgkill'],
  '2.33': ['stat', 'fstat', 'lstat', 'fstatat', 'mknod', 'mknodat', 'mallinfo2'],
  '2.34': [
    'sem_\\w+',
    'dl\\w+',
    'timer_\\w+',
    'shm_\\w+',
    'mq_\\w+',
    'close_range',
    'closefrom',
    'call_once',
  ],
  '2.36': ['pidfd_\\w+', 'arc4random\\w*', 'process_madvise', 'process_mrelease'],
  '2.38': ['ato(?:i|l|ll)', 'strto\\w+', 'wcsto\\w+', 'v?[fsw]*scanf', 'strlcpy', 'strlcat'],
}

/** Nearly all of POSIX threads came to libc, with new symbols, in 2.34. These had been there, and kept theirs. */
const OLD_THREADS = '(?:mutex_(?:lock|unlock|init|destroy)|cond_(?:wait|signal|broadcast)|self|equal|atfork)'
const NEW_THREADS = [`pthread_(?!${OLD_THREADS}\\b)\\w+`, '(?:thrd|mtx|cnd|tss)_\\w+']

/** Ours, and the only place where they may stand. */
const SUBSTITUTES = 'shmring/core/portable.h'

const names = [...Object.values(NEW_SYMBOLS).flat(), ...NEW_THREADS]
const calls = new RegExp(String.raw`\b(?:${names.join('|')})\s*\(`, 'g')

function callsIn(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:[^"\\]|\\.)*"/g, '')
  return code.match(calls) ?? []
}

test('the addon calls no function that glibc has renamed since 2.28', (t) => {
  const sources = ['core', 'binding', 'include'].flatMap((name) => filesBelow(`shmring/${name}`))
  t.true(sources.includes(SUBSTITUTES))
  const found = sources
    .filter((path) => path !== SUBSTITUTES)
    .flatMap((path) => callsIn(readProjectFile(path)).map((call) => `${path}: ${call}`))
  t.deepEqual(found, [])
})

test('the search for renamed functions finds calls, and neither comments nor strings nor other names', (t) => {
  t.deepEqual(callsIn('if (fstat(fd, &s)) x = strtoull (a);  sscanf(t, "%d"); pthread_once(a);'), [
    'fstat(',
    'strtoull (',
    'sscanf(',
    'pthread_once(',
  ])
  t.deepEqual(
    callsIn('/* fstat(fd) */ portable_fstat(fd); call("fstat(2)"); // sem_post(it)\npthread_mutex_lock(a)'),
    [],
  )
})
