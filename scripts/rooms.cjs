// Room -> rooms it may import. ARCHITECTURE.md shows the same table; a test keeps the two equal.
const rooms = {
  core: [],
  http: ['core'],
  identity: ['core'],
  observe: ['core', 'http'],
  xds: ['core'],
  model: ['core'],
  control: ['core', 'identity', 'observe', 'xds', 'model', 'api'],
  proxy: ['core', 'http', 'identity', 'observe', 'xds'],
  names: ['core', 'observe', 'xds'],
  lab: ['core', 'http', 'model', 'xds', 'control', 'proxy'],
  api: ['core', 'model'],
  cli: ['core', 'api', 'model', 'lab', 'xds'],
  host: ['core', 'observe'],
};

module.exports = { rooms };
