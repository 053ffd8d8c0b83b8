/** The same as go/main.go by grpc-js-xds: calls what `xds:///` leads to, serves, and answers for itself by CSDS. */
import { createInterface } from 'node:readline';
import * as grpc from '@grpc/grpc-js';
import * as xds from '@grpc/grpc-js-xds';

xds.register();
const server = new grpc.Server();
grpc.addAdminServicesToServer(server);
const port = await new Promise((resolve, reject) => {
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
    error === null ? resolve(bound) : reject(error),
  );
});
console.log(`127.0.0.1:${port}`);

const same = (bytes) => bytes;
const [, , address] = process.argv;
if (address !== undefined) {
  const served = new xds.XdsServer();
  const codec = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const method = { path: '/test.Names/Ask', requestStream: false, responseStream: false, ...codec };
  served.addService({ Ask: method }, { Ask: (_call, reply) => reply(null, Buffer.from('Node')) });
  const credentials = new xds.XdsServerCredentials(grpc.ServerCredentials.createInsecure());
  served.bindAsync(address, credentials, (error) => {
    if (error !== null) throw error;
  });
}
const channels = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { id, target, method, headers, timeoutMs } = JSON.parse(line);
  if (!channels.has(target)) {
    const credentials = new xds.XdsChannelCredentials(grpc.credentials.createInsecure());
    channels.set(target, new grpc.Client(target, credentials));
  }
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers))
    metadata.set(name, name.endsWith('-bin') ? Buffer.from(value) : value);
  const deadline = Date.now() + timeoutMs;
  const call = channels.get(target);
  call.makeUnaryRequest(method, same, same, Buffer.alloc(0), metadata, { deadline }, (error, answer) => {
    const end =
      error === null ? { code: 0, text: String(answer) } : { code: error.code, text: error.details };
    console.log(JSON.stringify({ id, ...end }));
  });
}
process.exit(0);
