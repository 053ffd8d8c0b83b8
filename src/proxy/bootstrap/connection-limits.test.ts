import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { type ConnectionLimitSettings, readConnectionLimits } from './connection-limits.ts';

function read(layers: readonly JsonObject[], byManager?: number): [ConnectionLimitSettings, string[]] {
  const staticLayers = layers.map((staticLayer, i) => ({ name: String(i), staticLayer }));
  const bootstrap = fromJson(BootstrapSchema, { layeredRuntime: { layers: staticLayers } });
  const problems: string[] = [];
  const limits = readConnectionLimits(bootstrap, byManager, (path, message, level = 'error') =>
    problems.push(`${level} ${path}: ${message}`),
  );
  return [limits, problems];
}

const process = 'overload.global_downstream_max_connections';
const ofListener = (name: string): string => `envoy.resource_limits.listener.${name}.connection_limit`;

describe('limits on connections in a bootstrap', () => {
  test('none', () => assert.deepEqual(read([]), [{ process: undefined, ofListener: {} }, []]));

  test('by keys of the runtime; a later layer wins', () => {
    const layers = [
      { [process]: 5, [ofListener('a.b')]: 1 },
      { [ofListener('a.b')]: 2, [ofListener('c')]: 3 },
    ];
    assert.deepEqual(read(layers), [{ process: 5, ofListener: { 'a.b': 2, c: 3 } }, []]);
  });

  test('a key may be written as objects in one another', () => {
    const nested = { overload: { global_downstream_max_connections: 7 } };
    assert.equal(read([nested])[0].process, 7);
  });

  test('the overload manager is stronger than the runtime', () => {
    assert.equal(read([{ [process]: 5 }], 9)[0].process, 9);
  });

  test('other values are errors', () => {
    const [, problems] = read([{ other: 1, [ofListener('a')]: 'many' }]);
    const at = 'layered_runtime.layers[0].static_layer';
    assert.deepEqual(problems.sort(), [`error ${at}["${ofListener('a')}"]: must be a number of connections`]);
  });
});
