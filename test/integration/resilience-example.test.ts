/** The example of health checks and hedging, as somebody would try it out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

let mesh: RunningMesh;
before(async () => {
  mesh = await startMesh(['examples/resilience']);
});
after(async () => {
  await mesh?.stop();
});

async function placeOf(path: string): Promise<string> {
  const response = await fetch(`${mesh.ingressUrl}${path}`);
  assert.equal(response.status, 200);
  return ((await response.json()) as { place: string }).place;
}

const patient = { timeoutMs: 30_000 };

async function allFrom(place: string): Promise<void> {
  for (let i = 0; i < 20; i++) assert.equal(await placeOf('/'), place);
}

test('Europe answers, America while Europe is ill', async () => {
  await eventually(() => allFrom('near'), patient);
  assert.equal(await placeOf('/ill'), 'near');
  await eventually(() => allFrom('far'), patient);
});
