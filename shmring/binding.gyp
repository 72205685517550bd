# This file stands in shmring/ and not in the package's root, where npm would run node-gyp on every install
# by itself: scripts/build-addon.mjs decides when to build, and what it means when that is impossible.
{
  'targets': [
    {
      'target_name': 'ringbus',
      'sources': [
        'core/descriptor.c',
        'core/errors.c',
        'core/lock.c',
        'core/peer.c',
        'core/process.c',
        'core/stream.c',
        'binding/errors.cc',
        'binding/host.cc',
        'binding/module.cc',
      ],
      'include_dirs': ['include'],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS'],
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
