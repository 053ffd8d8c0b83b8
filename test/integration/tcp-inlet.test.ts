/** The change from one way of reading a connection to the other loses no byte and doubles none. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '#core/random.ts';
import { canDuplicateDescriptors, duplicateDescriptor } from '#host/duplicate-descriptor.ts';
import { Inlet } from '#proxy/tcp/inlet.ts';
import { eventually } from '../support/eventually.ts';
import { rawServer } from '../support/raw-tcp.ts';

const SIZE = 6 * 1024 * 1024;

test('a side that stops and goes on all the time gets every byte in order, in both ways of reading', async (t) => {
  if (!canDuplicateDescriptors()) {
    t.skip('not on this system');
    return;
  }
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed);
    let received = 0;
    let wrong = 0;
    let ended = false;
    let swift = false;
    const { port } = await rawServer(t, (socket: Socket) => {
      socket.pause();
      const inlet = new Inlet(
        socket,
        {
          receivedIsOut: true,
          onReceived(data) {
            for (const byte of data) {
              if (byte !== (received & 0xff) && byte !== ((received >> 8) & 0xff)) wrong++;
              received++;
            }
            if (random.below(3) > 0) return;
            inlet.pause();
            void resumeLater(inlet, random.below(4));
          },
          onReceivedAll() {
            ended = true;
            ({ isSwift: swift } = inlet);
            inlet.close();
          },
          onReceivingFailed() {},
        },
        { settings: { bufferLimitBytes: 1024 * 1024 }, duplicateDescriptor, secondDescriptors: undefined },
      );
      inlet.resume();
    });
    const client = connect(port, '127.0.0.1');
    t.after(() => client.destroy());
    const pattern = Buffer.from(Uint8Array.from({ length: SIZE }, (_, i) => (i % 2 ? i : i >> 8) & 0xff));
    for (let at = 0; at < SIZE; ) {
      const length = 1 + random.below(200_000);
      const goesOn = client.write(pattern.subarray(at, at + length));
      at += length;
      if (!goesOn) await once(client, 'drain');
      else if (random.below(8) === 0) await setImmediate();
    }
    client.end();
    await eventually(() => assert.ok(ended));
    assert.deepEqual({ received, wrong, swift }, { received: SIZE, wrong: 0, swift: true }, `seed ${seed}`);
  }
});

async function resumeLater(inlet: Inlet, turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await setImmediate();
  inlet.resume();
}
