{
  'targets': [
    {
      # Source builds of a clone through node-gyp: cmake-js does the work, CMakeLists.txt has the sources. The packed
      # package has no binding.gyp: npm (by a lock file), pnpm and Yarn would build it in spite of the prebuilt binaries.
      'target_name': 'dinov3_seg',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake_js',
          'inputs': ['CMakeLists.txt'],
          'outputs': ['native/loader/build/Release/loader.node'],
          'action': ['node', 'scripts/setup.mjs', 'addon'],
        },
      ],
    },
  ],
}
