{
  # Only forwards to scripts/build-native.mjs, so that node-gyp makes the same build as npm. The output is never made:
  # that has CMake, which knows every file, decide what is out of date.
  'targets': [
    {
      'target_name': 'pyramidion',
      'type': 'none',
      'actions': [
        {
          'action_name': 'build_native',
          'inputs': ['scripts/build-native.mjs'],
          'outputs': ['native/build/always'],
          'action': ['node', 'scripts/build-native.mjs']
        }
      ]
    }
  ]
}
