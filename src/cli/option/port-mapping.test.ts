import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { portMapping } from './port-mapping.ts';

describe('--port', () => {
  const good: [text: string, name: string, number: number, hostPort: number][] = [
    ['9080', 'tcp-9080', 9080, 9080],
    ['http:9080', 'http', 9080, 9080],
    ['http-admin:8080:9080', 'http-admin', 9080, 8080],
    ['8080:9080', 'tcp-9080', 9080, 8080],
    ['grpc:0:50051', 'grpc', 50_051, 0],
    ['0:80', 'tcp-80', 80, 0],
    ['h2c:80', 'h2c', 80, 80],
  ];
  for (const [text, name, number, hostPort] of good) {
    test(text, () => assert.deepEqual(portMapping(text), { name, number, hostPort }));
  }

  const bad: [text: string, message: RegExp][] = [
    ['', /a port is a number from 1 to 65535, not ""/],
    ['http', /a port is a number from 1 to 65535, not "http"/],
    ['http:', /a port is a number from 1 to 65535, not ""/],
    ['0', /from 1 to 65535, not "0"/],
    ['65536', /from 1 to 65535, not "65536"/],
    ['http:65536:80', /from 0 to 65535, not "65536"/],
    ['http:a:80', /from 0 to 65535, not "a"/],
    ['-1', /from 1 to 65535, not "-1"/],
    ['HTTP:80', /"HTTP" is no name of a port/],
    ['http_2:80', /"http_2" is no name of a port/],
    ['-http:80', /"-http" is no name of a port/],
    ['a-very-long-port-name:80', /at most 15 small letters/],
    ['http:1:2:3', /\[NAME:\]\[HOSTPORT:\]PORT is needed/],
    ['1:2:3', /\[NAME:\]\[HOSTPORT:\]PORT is needed/],
  ];
  for (const [text, message] of bad) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => portMapping(text), { message }));
  }
});
