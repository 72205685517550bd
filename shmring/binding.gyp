# This file stands in shmring/ and not in the package's root, where npm would run node-gyp on every install
# by itself: scripts/build-addon.mjs decides when to build, and what it means when that is impossible.
{
  # `node scripts/build-addon.mjs --kill-points` sets it, for tests.
  'variables': { 'ringbus_kill_points%': 'false' },
  'targets': [
    {
      'target_name': 'ringbus',
      'sources': [
        'core/attach.c',
        'core/blocks.c',
        'core/descriptor.c',
        'core/descriptors.c',
        'core/errors.c',
        'core/headroom.c',
        'core/kill_point.c',
        'core/lock.c',
        'core/maps.c',
        'core/pair.c',
        'core/peer.c',
        'core/process.c',
        'core/ring.c',
        'core/segment.c',
        'core/shared_file.c',
        'core/stream.c',
        'core/unsupported.c',
        'binding/arguments.cc',
        'binding/attach.cc',
        'binding/errors.cc',
        'binding/external_buffer.cc',
        'binding/host.cc',
        'binding/module.cc',
        'binding/pair.cc',
        'binding/reader.cc',
        'binding/ring.cc',
        'binding/segment.cc',
      ],
      'include_dirs': ['include'],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS'],
      'conditions': [['ringbus_kill_points=="true"', { 'defines': ['RINGBUS_KILL_POINTS'] }]],
      # Node's own flags leave out one warning of -Wextra.
      'cflags!': ['-Wno-unused-parameter'],
      'cflags': ['-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'],
      'cflags_c': ['-std=c11'],
      # As a system header, so that a new compiler's warnings in it are not errors of ours. Raw flags are
      # relative to the build folder, one below this one.
      'cflags_cc': ['-isystem', '../<!(node -p "require(\'node-addon-api\').include_dir")'],
      'xcode_settings': {
        'GCC_C_LANGUAGE_STANDARD': 'c11',
        'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
        'MACOSX_DEPLOYMENT_TARGET': '11.0',
        'WARNING_CFLAGS': ['-Wall', '-Wextra', '-Werror'],
        'OTHER_CPLUSPLUSFLAGS': ['-isystem', '../<!(node -p "require(\'node-addon-api\').include_dir")'],
      },
    },
  ],
}
