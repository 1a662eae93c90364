{
  'targets': [
    {
      # Source builds through node-gyp: cmake-js does the work, CMakeLists.txt has the sources.
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
