/** One request through a contender, by the clients of Node: is it ready, and does it do what it should? */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { grpcMessage, unaryPath } from './config/backend.ts';
import { type Certificates, leafDnsName, type Tls, type Traffic } from './config/work.ts';

export interface Target {
  readonly traffic: Traffic;
  /** Towards the client. */
  readonly tls: Tls;
  readonly port: number;
  readonly certificates: Certificates;
}

const deadlineMs = 2000;

/** Whether an answer came through the whole chain, and the right one. */
export async function answers(target: Target): Promise<boolean> {
  switch (target.traffic) {
    case 'tcp':
      return sendsBytes(target.port);
    case 'websocket':
      return upgrades(target.port);
    case 'grpc':
      return (await askHttp2(target.port, unaryPath, grpcMessage())).grpcStatus === '0';
    case 'h2':
      return (await askHttp2(target.port, '/small')).status === 200;
    case 'h1':
      return (await askHttp1(target, '/small')).status === 200;
  }
}

/** Body of `path`; empty when there is none. */
export async function bodyOf(target: Target, path: string): Promise<string> {
  const http1 = target.traffic === 'h1' || target.traffic === 'websocket';
  return (await (http1 ? askHttp1(target, path) : askHttp2(target.port, path))).body;
}

interface Answer {
  /** 0 where there was none. */
  readonly status: number;
  readonly body: string;
  readonly grpcStatus?: string;
}

const nothing: Answer = { status: 0, body: '' };

function askHttp1({ tls, port, certificates }: Target, path: string): Promise<Answer> {
  const secured = tls === 'terminate' || tls === 'serve';
  const options = { port, host: '127.0.0.1', path, agent: false, timeout: deadlineMs } as const;
  const material = secured
    ? {
        ca: readFileSync(certificates.ca),
        cert: readFileSync(certificates.certificate),
        key: readFileSync(certificates.key),
        servername: leafDnsName,
      }
    : {};
  return new Promise((done) => {
    const request = secured ? https.get({ ...options, ...material }) : http.get(options);
    request.on('response', (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => done({ status: response.statusCode ?? 0, body }));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => done(nothing));
    request.on('close', () => done(nothing));
  });
}

function askHttp2(port: number, path: string, message?: Buffer): Promise<Answer> {
  return new Promise((done) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const finish = (answer: Answer): void => {
      done(answer);
      session.destroy();
    };
    session.setTimeout(deadlineMs, () => finish(nothing));
    session.on('error', () => finish(nothing));
    session.on('close', () => finish(nothing));
    const head = { ':path': path, ':method': message === undefined ? 'GET' : 'POST' };
    const grpc = message === undefined ? {} : { 'content-type': 'application/grpc', te: 'trailers' };
    const stream = session.request({ ...head, ...grpc });
    let status = 0;
    let body = '';
    let grpcStatus = '';
    stream.on('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('trailers', (trailers) => (grpcStatus = String(trailers['grpc-status'])));
    stream.on('data', (chunk) => (body += String(chunk)));
    stream.on('error', () => finish(nothing));
    stream.on('end', () => finish({ status, body, grpcStatus }));
    stream.end(message);
  });
}

function upgrades(port: number): Promise<boolean> {
  return new Promise((done) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    const request = http.get({ port, host: '127.0.0.1', headers, agent: false, timeout: deadlineMs });
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      done(true);
    });
    request.on('response', () => request.destroy());
    request.on('timeout', () => request.destroy());
    request.on('error', () => done(false));
    request.on('close', () => done(false));
  });
}

function sendsBytes(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = net.connect({ port, host: '127.0.0.1', timeout: deadlineMs });
    const finish = (is: boolean) => () => {
      socket.destroy();
      done(is);
    };
    socket.once('data', finish(true));
    for (const event of ['timeout', 'error', 'close']) socket.once(event, finish(false));
  });
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.on('error', () => done(false));
  });
}
