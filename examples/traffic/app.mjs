// Says who it is and what it was asked. `/call?to=URL` calls another with the caller's headers and says what came of it;
// `/slow` takes its time, `/flaky` fails every other time and `/fail` always. On 9000 it says who it is to whoever connects.
import http from 'node:http';
import net from 'node:net';

const {
  HOST,
  PORT = '9080',
  HOSTNAME = '',
  REVIEWS_PORT_7000_TCP_ADDR,
  REVIEWS_PORT_7000_TCP_PORT,
} = process.env;
const me = HOSTNAME.replace(/-\d+$/, '');
const agent = new http.Agent({ proxyEnv: process.env });
let asked = 0;

const answer = (response, status, what) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(what));
};

const call = (to, headers) =>
  new Promise((resolve) => {
    const request = http.get(to, { agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more) => {
        text += more;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    request.on('error', ({ code, message }) => resolve({ status: 0, text: code ?? message }));
  });

const listen = () =>
  new Promise((resolve) => {
    const port = Number(REVIEWS_PORT_7000_TCP_PORT ?? 7000);
    const socket = net.connect(port, REVIEWS_PORT_7000_TCP_ADDR ?? 'reviews');
    let text = '';
    socket.setEncoding('utf8').on('data', (more) => {
      text += more;
    });
    socket.on('error', ({ code }) => resolve({ status: 0, text: code }));
    socket.on('end', () => resolve({ status: 200, text }));
  });

http
  .createServer(async (request, response) => {
    const { method, headers, url } = request;
    const { pathname, searchParams } = new URL(url, 'http://x');
    const own = { name: me, method, path: url, headers };
    if (pathname === '/call') {
      const user = headers['end-user'];
      answer(
        response,
        200,
        await call(searchParams.get('to'), user === undefined ? {} : { 'end-user': user }),
      );
    } else if (pathname === '/dial') answer(response, 200, await listen());
    else if (pathname === '/slow') setTimeout(answer, 2_000, response, 200, own);
    else if (pathname === '/flaky') answer(response, ++asked % 2 === 1 ? 503 : 200, own);
    else answer(response, pathname === '/fail' ? 503 : 200, own);
  })
  .listen(Number(PORT), HOST);

net
  .createServer((socket) => {
    socket.on('error', () => {});
    socket.end(me);
  })
  .listen(9000, HOST);

process.on('SIGTERM', () => process.exit(0));
