const { rooms } = require('./scripts/rooms.cjs');

const test = '\\.test\\.ts$|/suite\\.ts$';

const onlyInto = ([room, may]) => ({
  name: `${room} may import ${may.join(', ') || 'no room'}`,
  severity: 'error',
  from: { path: `^src/${room}/`, pathNot: test },
  to: { path: '^src/', pathNot: [room, ...may].map((name) => `^src/${name}/`) },
});

/** Places that know nothing of the platform, so that they also run in a browser. */
const pure = [
  'core',
  'http/(?!codec/)',
  'xds',
  'model',
  'control/translate',
  'proxy/route',
  'proxy/filter',
  'lab',
];

module.exports = {
  forbidden: [
    ...Object.entries(rooms).map(onlyInto),
    {
      name: 'no cycles',
      severity: 'error',
      from: { pathNot: 'src/xds/gen' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'pure rooms import nothing of node',
      severity: 'error',
      from: { path: pure.map((place) => `^src/${place}`), pathNot: test },
      to: { dependencyTypes: ['core'], dependencyTypesNot: ['type-only'] },
    },
    { name: 'nothing imports a test', severity: 'error', from: { pathNot: test }, to: { path: test } },
    {
      name: 'lab sees only the translation and the decisions of a plane',
      severity: 'error',
      from: { path: '^src/lab/' },
      to: { path: '^src/(control/(?!translate/)|proxy/(?!route/|filter/))' },
    },
    {
      name: 'what ships does not import development packages',
      severity: 'error',
      from: { path: '^src/', pathNot: test },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: ['node_modules', 'src/xds/gen'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
