/** Whether the meshes of tests capture traffic: all those tests are run once so, and once so. */
export const captureMode: 'always' | 'never' =
  process.env.HEDDLE_TEST_CAPTURE === 'always' ? 'always' : 'never';
