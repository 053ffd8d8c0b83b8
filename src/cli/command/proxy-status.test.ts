import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyStatus, SyncState, TypeStatus } from '#api/contract.ts';
import { colours } from '../render/colour.ts';
import { statusLines } from './proxy-status.ts';

const status = (state: SyncState, ageSeconds = 0, error?: string): TypeStatus => ({
  state,
  ageSeconds,
  version: '2',
  ackedVersion: '1',
  resources: 1,
  ...(error !== undefined && { error }),
});

const proxy = (name: string, types: Partial<ProxyStatus['types']>): ProxyStatus => ({
  proxy: name,
  nodeId: `sidecar~127.7.1.1~${name}~default.svc.cluster.local`,
  proxyType: 'sidecar',
  clusterId: 'Kubernetes',
  version: 'heddle 0.1.0',
  controlPlane: 'shop-control',
  protocol: 'delta',
  connectedAt: '2026-01-01T00:00:00Z',
  types: {
    CDS: status('SYNCED', 252),
    LDS: status('SYNCED', 252),
    EDS: status('SYNCED', 3),
    RDS: status('SYNCED', 3),
    SDS: status('IGNORED'),
    ...types,
  },
});

test('every state with its age, sorted by name, and the text of a refusal below', () => {
  const lines = statusLines(
    [
      proxy('reviews-v1-1.default', { LDS: status('NACK', 61, 'port 70000 is no port') }),
      proxy('catalog-v1-1.default', { EDS: status('STALE', 5), SDS: status('NOT SENT') }),
    ],
    colours(false),
  );
  assert.deepEqual(lines, [
    'NAME                   CLUSTER      CDS              LDS              EDS           RDS           SDS        CONTROL        VERSION',
    'catalog-v1-1.default   Kubernetes   SYNCED (4m12s)   SYNCED (4m12s)   STALE (5s)    SYNCED (3s)   NOT SENT   shop-control   heddle 0.1.0',
    'reviews-v1-1.default   Kubernetes   SYNCED (4m12s)   NACK (1m1s)      SYNCED (3s)   SYNCED (3s)   IGNORED    shop-control   heddle 0.1.0',
    '',
    '✘ reviews-v1-1.default refuses LDS: port 70000 is no port',
  ]);
});
