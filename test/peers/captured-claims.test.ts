/** PostgreSQL as an ordinary manifest runs it, its data in a claim: what it has been told is there in the next mesh. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type CapturedPrograms, startCapturedPrograms } from '../support/captured-programs.ts';
import { eventually } from '../support/eventually.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { requirePeer } from '../support/peer.ts';

const documents = `
apiVersion: v1
kind: Service
metadata: {name: postgres, labels: {app: postgres}}
spec:
  clusterIP: None
  selector: {app: postgres}
  ports: [{name: tcp-postgres, port: 5432}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec:
  serviceName: postgres
  selector: {matchLabels: {app: postgres}}
  template:
    metadata: {labels: {app: postgres}}
    spec:
      securityContext: {fsGroup: 999}
      containers:
      - name: postgres
        image: postgres:15
        env:
        - {name: POSTGRES_USER, value: keeper}
        - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
        ports: [{containerPort: 5432, name: postgres}]
        volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data, subPath: main}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      storageClassName: standard
      resources: {requests: {storage: 8Gi}}
---
`;

describeInNamespaces('PostgreSQL with a claim', () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'heddle-state-'));
  let programs: CapturedPrograms | undefined;
  after(async () => {
    await programs?.stop();
    rmSync(stateDirectory, { recursive: true, force: true, maxRetries: 3 });
  });

  test('finds its rows again: after SIGKILL, and in the next mesh', async (t) => {
    const server = requirePeer(t, 'postgres');
    const psql = requirePeer(t, 'psql');
    if (server === undefined || psql === undefined) return;
    const images = {
      'postgres:15': ['sh', join(import.meta.dirname, 'captured', 'postgres-image.sh'), server],
    };
    const start = async (): Promise<CapturedPrograms> => {
      programs = await startCapturedPrograms(images, documents, undefined, stateDirectory);
      return programs;
    };
    const ask = (sql: string): Promise<string> =>
      programs!.run([psql, '-X', '-At', '-v', 'ON_ERROR_STOP=1'], {
        input: sql,
        env: { PGHOST: 'postgres-0.postgres', PGUSER: 'keeper', PGDATABASE: 'postgres' },
      });
    const { mesh } = await start();
    await ask("create table paint (colour text);\ninsert into paint values ('green');");
    const { pid } = mesh.processOf('postgres-0');
    process.kill(-pid, 'SIGKILL');
    await eventually(() => assert.notEqual(mesh.processOf('postgres-0').pid, pid));
    await eventually(async () => assert.equal(await ask('select colour from paint;'), 'green\n'));
    await ask("insert into paint values ('blue');");
    await programs!.stop();
    await start();
    assert.equal(await ask('select colour from paint order by 1;'), 'blue\ngreen\n');
  });
});
