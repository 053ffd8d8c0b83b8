/** gRPC and WebSocket between applications that know nothing of the mesh: routed, secured and counted by the sidecars. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { sumOf } from '../support/prometheus-text.ts';

describe('gRPC inside the mesh', () => {
  let mesh: RunningMesh;
  before(async () => {
    mesh = await startMesh(['test/apps/greeter.yaml']);
  });
  after(() => mesh?.stop());

  const get = async (path: string): Promise<string> => (await fetch(`${mesh.ingressUrl}${path}`)).text();

  test('calls go where the VirtualService says', async () => {
    assert.equal(await get('/greet'), 'v1 greets world');
    assert.equal(await get('/greet?version=v2'), 'v2 greets world');
  });

  test('a status in trailers comes through', async () => {
    assert.equal(await get('/greet?name=nobody'), '5 nobody is there');
  });

  test('a stream flows both ways without being gathered', async () => {
    assert.equal(await get('/chat?version=v2'), 'v2:hello v2:again v2:again 0');
  });

  test('each call is counted as gRPC with its status, under mutual TLS', async () => {
    await eventually(async () => {
      const [caller] = await mesh.instancesOf('caller-v1');
      const metrics = await mesh.metricsOf(caller!);
      const calls = (more: Record<string, string>): number =>
        sumOf(metrics, 'istio_requests_total', {
          reporter: 'source',
          request_protocol: 'grpc',
          destination_service_name: 'greeter',
          connection_security_policy: 'mutual_tls',
          ...more,
        });
      assert.ok(calls({ grpc_response_status: '0' }) >= 3);
      assert.ok(calls({ grpc_response_status: '5' }) >= 1);
    });
  });

  test('WebSocket through the gateway and both sidecars', async () => {
    const socket = new WebSocket(`${mesh.ingressUrl.replace('http', 'ws')}/ws`);
    const echoed = await new Promise<string>((resolve, reject) => {
      socket.onopen = () => socket.send('over and back');
      socket.onmessage = ({ data }) => resolve(String(data));
      socket.onerror = () => reject(new Error('the connection failed'));
    });
    assert.equal(echoed, 'over and back');
    await new Promise((resolve) => {
      socket.onclose = resolve;
      socket.close();
    });
  });
});
